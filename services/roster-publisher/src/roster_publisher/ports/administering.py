"""What administering vendors needs: changes of clients that are audited, and what they would do."""

from collections.abc import Collection, Mapping, Sequence, Set
from datetime import datetime
from typing import Protocol

from roster_publisher.domain.access import Client, Grant
from roster_publisher.domain.administration import Difference, NotDone
from roster_publisher.domain.audit import AuditEntry
from roster_publisher.domain.records import Entity


class VendorAdmin(Protocol):
    """Clients of a district. Each change is a transaction, with its line in the audit; whoever runs
    with what was changed, in any process, looks anew within two seconds.

    A client that settings give is never changed: `CONFIGURED`; one that is not in the district is
    `UNKNOWN`; one that is another than at the `version` given has `MOVED_ON`.
    """

    async def all(self, district_id: str) -> Sequence[Client]:
        """By client id."""
        ...

    async def find(self, district_id: str, client_id: str) -> Client | None:
        """One, or None."""
        ...

    async def is_taken(self, client_id: str) -> bool:
        """Whether the id is in use, in whatever district."""
        ...

    async def create(self, client: Client, entry: AuditEntry) -> NotDone | None:
        """Make it. `TAKEN` when its id is in use, in whatever district."""
        ...

    async def rotate(
        self,
        grant: Grant,
        secret_hash: str,
        *,
        old_until: datetime,
        version: str | None,
        entry: AuditEntry,
    ) -> NotDone | int:
        """Put a secret in place; `TOO_MANY_SECRETS` where too many would count.

        Those before it, and the tokens given for them, end `old_until` at the latest, which may be
        now. Returns how many tokens that cuts short.
        """
        ...

    async def change(self, grant: Grant, *, version: str, entry: AuditEntry) -> NotDone | None:
        """Write the grant.

        One that shows something else takes a revision and a stamp of the district.
        """
        ...

    async def revoke(
        self, district_id: str, client_id: str, *, version: str | None, entry: AuditEntry
    ) -> NotDone | int:
        """End it with its grant, its secrets and its tokens, which are counted."""
        ...

    async def tokens(self, district_id: str, client_id: str, *, now: datetime) -> int:
        """Tokens in force."""
        ...


class GrantTrials(Protocol):
    """What a grant would show. Changes nothing, also where a rule is no scope yet."""

    async def differences(
        self, before: Grant | None, after: Grant | None, *, now: datetime
    ) -> Mapping[str, Difference]:
        """By path of a collection, between two grants of one district; None sees nothing.

        With rules that are no scopes yet, the district's publication waits meanwhile.
        """
        ...

    async def unknown(self, district_id: str, entity: Entity, ids: Collection[str]) -> Set[str]:
        """Those of `ids` that no active record of the district has."""
        ...
