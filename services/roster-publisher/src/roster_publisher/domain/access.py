"""Who may see what: clients, grants and tokens. Pure. Source: blueprint, invariant 7."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, TypeAlias

from roster_publisher.domain.pacing import Pace
from roster_publisher.domain.rules import Rule

FieldGroup: TypeAlias = Literal[
    "base", "names", "contact", "identifiers", "birth", "ethnicity", "refs", "metadata"
]
_ALWAYS: Final = frozenset({"base", "refs"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What one vendor may see: token scopes, schools and rules, field groups.

    The scopes are the schools and the rules, whatever is in one of them; with neither, the whole
    district. `field_groups` None allows every group; what a record cannot be read without, and
    references, are always there. A field that the specification requires is empty where it is
    withheld. `since_stamp` is when what the grant shows was last changed: to this vendor nothing is
    older than that, so that one who asks by a watermark sees all of it anew. `pace` is the client's
    own, None for that of everybody.
    """

    district_id: str
    client_id: str
    token_scopes: frozenset[str]
    school_ids: tuple[str, ...] | None = None
    rules: tuple[Rule, ...] = ()
    field_groups: frozenset[str] | None = None
    agreement: str | None = None
    expires_at: datetime | None = None
    since_stamp: datetime | None = None
    pace: Pace | None = None

    @property
    def is_whole(self) -> bool:
        """Whether the whole district is seen."""
        return self.school_ids is None and not self.rules

    @property
    def scope_ids(self) -> tuple[str, ...]:
        """The scopes of a grant that does not see the whole district."""
        return (*(self.school_ids or ()), *(rule.scope_id for rule in self.rules))

    @property
    def visible_orgs(self) -> frozenset[str] | None:
        """Orgs that may be named to this vendor: schools, and those of rules; None = all."""
        if self.is_whole or any(rule.schools is None for rule in self.rules):
            return None
        named = (school for rule in self.rules for school in rule.schools or ())
        return frozenset((*(self.school_ids or ()), *named))

    def allows(self, group: str) -> bool:
        """Whether the field group goes out to this vendor."""
        return group in _ALWAYS or self.field_groups is None or group in self.field_groups

    @property
    def shows(self) -> tuple[object, ...]:
        """Another value when the grant shows something else; what it is called does not matter."""
        groups = None if self.field_groups is None else tuple(sorted(self.field_groups))
        return (None if self.is_whole else tuple(sorted(set(self.scope_ids))), groups)

    def is_in_force(self, now: datetime) -> bool:
        """False once the agreement has ended."""
        return self.expires_at is None or now < self.expires_at


@dataclass(frozen=True, slots=True, kw_only=True)
class OldSecret:
    """A secret that was rotated away and still counts `until` a time."""

    secret_hash: str
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """A vendor's credentials and grant. `secret_hash` says itself how it was made.

    `configured`: settings give it, so nobody else may change it.
    """

    client_id: str
    secret_hash: str
    grant: Grant
    old_secrets: tuple[OldSecret, ...] = ()
    configured: bool = False
    created_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessToken:
    """A token in force: its grant, and the part of the grant's token scopes it carries."""

    grant: Grant
    token_scopes: frozenset[str]
    expires_at: datetime
