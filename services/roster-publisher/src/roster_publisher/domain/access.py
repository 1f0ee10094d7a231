"""Who may see what: clients, grants and tokens. Pure. Source: blueprint, invariant 7."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, TypeAlias

FieldGroup: TypeAlias = Literal[
    "base", "names", "contact", "identifiers", "birth", "ethnicity", "refs", "metadata"
]
_ALWAYS: Final = frozenset({"base", "refs"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What one vendor may see: token scopes, schools (None = the whole district), field groups.

    `field_groups` None allows every group; what a record cannot be read without, and references,
    are always there. A field that the specification requires is empty where it is withheld.
    """

    district_id: str
    client_id: str
    token_scopes: frozenset[str]
    school_ids: tuple[str, ...] | None = None
    field_groups: frozenset[str] | None = None
    agreement: str | None = None
    expires_at: datetime | None = None

    def allows(self, group: str) -> bool:
        """Whether the field group goes out to this vendor."""
        return group in _ALWAYS or self.field_groups is None or group in self.field_groups

    @property
    def shows(self) -> tuple[object, ...]:
        """Another value when the grant shows something else; what it is called does not matter."""
        groups = None if self.field_groups is None else tuple(sorted(self.field_groups))
        return (self.school_ids, groups)

    def is_in_force(self, now: datetime) -> bool:
        """False once the agreement has ended."""
        return self.expires_at is None or now < self.expires_at


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """A vendor's credentials and grant. `secret_hash` says itself how it was made."""

    client_id: str
    secret_hash: str
    grant: Grant


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessToken:
    """A token in force: its grant, and the part of the grant's token scopes it carries."""

    grant: Grant
    token_scopes: frozenset[str]
    expires_at: datetime
