"""What the audit of pulls needs: a place to write soon, and reads for operators."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeAlias

from roster_publisher.domain.audit import AuditEntry
from roster_publisher.domain.records import Entity

Spot: TypeAlias = tuple[datetime, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptEntry:
    """An entry as it is kept."""

    audit_id: int
    entry: AuditEntry

    @property
    def spot(self) -> Spot:
        """Where it stands in the order of time."""
        return self.entry.at, self.audit_id


class AuditTrail(Protocol):
    """Where entries go."""

    def note(self, entry: AuditEntry) -> None:
        """Write it soon, in the background: a crash may lose the last half second.

        Never waits and never fails; what does not fit is counted (`audit_entries_total`).
        """
        ...


class AuditReads(Protocol):
    """Reads of what is kept."""

    async def entries(
        self,
        district_id: str,
        client_id: str,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        before: Spot | None = None,
        limit: int,
    ) -> Sequence[KeptEntry]:
        """The newest first: `since` <= at < `until`, and behind `before`, the last entry seen."""
        ...

    async def last_pulls(self, district_id: str, client_id: str) -> Mapping[Entity, datetime]:
        """By entity, when the vendor itself was last given anything of it, by whatever door.

        Known for as long as the district keeps the client's name, also when the entries behind it
        have been purged; entities never asked for are left out.
        """
        ...

    async def latest_pulls(self, district_id: str) -> Mapping[str, datetime]:
        """By client id, when each vendor of a district was last given anything; as `last_pulls`."""
        ...
