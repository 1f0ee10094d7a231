"""Who may see what: clients, grants and tokens. Pure. Source: blueprint, invariant 7."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal, TypeAlias

from roster_publisher.domain.pacing import Pace
from roster_publisher.domain.rules import Rule

FieldGroup: TypeAlias = Literal[
    "base", "names", "contact", "identifiers", "birth", "ethnicity", "refs", "metadata"
]
How: TypeAlias = Literal["drop", "hash", "year"]
_ALWAYS: Final = frozenset({"base", "refs"})


class AgreementEnded(Exception):
    """The agreement behind a grant has ended: nothing more goes out to its vendor."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Transform:
    """What becomes of a field before it goes out.

    `path` leads to it from the object inwards, as in a filter; `entity` None means every kind of
    record that has such a field.
    """

    path: str
    how: How
    entity: str | None = None

    @property
    def name(self) -> str:
        """The field as settings name it."""
        return self.path if self.entity is None else f"{self.entity}.{self.path}"

    def covers(self, path: str, entity: str) -> bool:
        """Whether the field at `path` of an `entity` is this one, or inside it."""
        return self.entity in {None, entity} and f"{path}.".startswith(f"{self.path}.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What one vendor may see: token scopes, schools and rules, field groups and transformations.

    The scopes are the schools and the rules, whatever is in one of them; with neither, the whole
    district. `field_groups` None allows every group; what a record cannot be read without, and
    references, are always there. A field that the specification requires is empty where it is
    withheld. `transforms` are in the order of their names, and `hash_key_id` tells with which key
    of the installation values are hashed, where any are. `agreement` is a reference, `purpose` what
    it is for. `since_stamp` is when what the grant shows was last changed: to this vendor nothing
    is older than that, so that one who asks by a watermark sees all of it anew. `pace` is the
    client's own, None for that of everybody.
    """

    district_id: str
    client_id: str
    token_scopes: frozenset[str]
    school_ids: tuple[str, ...] | None = None
    rules: tuple[Rule, ...] = ()
    field_groups: frozenset[str] | None = None
    transforms: tuple[Transform, ...] = ()
    hash_key_id: str | None = None
    agreement: str | None = None
    purpose: str | None = None
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
    def hashes(self) -> bool:
        """Whether any value goes out as a hash."""
        return any(one.how == "hash" for one in self.transforms)

    def transforms_field(self, path: str, entity: str) -> bool:
        """Whether what stands at `path` of an `entity` is not sent as it is."""
        return any(one.covers(path, entity) for one in self.transforms)

    def drops(self, path: str, entity: str) -> bool:
        """Whether nothing goes out of what stands at `path` of an `entity`."""
        return any(one.how == "drop" and one.covers(path, entity) for one in self.transforms)

    @property
    def shows(self) -> tuple[object, ...]:
        """Another value when the grant shows something else; what it is called does not matter."""
        groups = None if self.field_groups is None else tuple(sorted(self.field_groups))
        scopes = None if self.is_whole else tuple(sorted(set(self.scope_ids)))
        told = tuple((one.name, one.how) for one in self.transforms)
        return (scopes, groups, told, self.hash_key_id)

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
class SigningKey:
    """A key with which a client signs by OAuth 1, and its secret: never print it."""

    district_id: str
    client_id: str
    key: str
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessToken:
    """A token in force: its grant, and the part of the grant's token scopes it carries."""

    grant: Grant
    token_scopes: frozenset[str]
    expires_at: datetime
