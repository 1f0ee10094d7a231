"""An account as wanted, as it stands in a target, and as we keep record of it. Pure data.

Attributes are a flat map from the target's own path to text. Only attributes that we own are in
it: what somebody else wrote into the account is neither compared nor changed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from directory_sync.domain.ids import PersonId

Attributes = Mapping[str, str]
# Values asked for by path; None asks for removal.
Asked = Mapping[str, str | None]


class NameSource(StrEnum):
    """Who decided the username."""

    ROSTER = "roster"
    ALLOCATED = "allocated"
    FOUND = "found"


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """Username and e-mail address of one account, and who decided the username."""

    username: str
    email: str | None
    source: NameSource


@dataclass(frozen=True, slots=True, kw_only=True)
class DesiredAccount:
    """How the account must be. The same facts, policy and date always give the same one."""

    person_id: PersonId
    username: str
    email: str | None
    attributes: Attributes


@dataclass(frozen=True, slots=True, kw_only=True)
class ActualAccount:
    """How the account stands in the target; `attributes` holds owned ones only.

    Every account that was read has a username among them.
    """

    account_id: str
    external_id: str | None
    username: str
    email: str | None
    enabled: bool
    attributes: Attributes

    @property
    def is_bare(self) -> bool:
        """Whether its id is all that is known, so that it is read before it is compared."""
        return not self.attributes

    @property
    def state(self) -> str:
        """`enabled` or `disabled`."""
        return "enabled" if self.enabled else "disabled"


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountRecord:
    """What we hold about a person's account in one target.

    `actual` is None while the account is only reserved. `asked_at` is set from the moment a
    create may have left us until its outcome is known. `unheeded` are values that the target did
    not take, though it said yes: they are not asked for again. `named`: the names went back to the
    roster.
    """

    person_id: PersonId
    names: Names | None
    actual: ActualAccount | None
    asked_at: datetime | None
    unheeded: Asked
    named: bool
