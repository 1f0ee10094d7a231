"""Names that directories allocate: which are held, and what the published user shows. Pure.

Per target the newest event counts, whatever the order of arrival; per field the district's
authority decides between the SIS and the targets. Source: blueprint, "who owns what".
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal, TypeAlias

from roster_publisher.domain.publication import Cause
from roster_publisher.domain.records import Record

Owner: TypeAlias = Literal["sis", "directory"]
NAME_FIELDS: Final = ("username", "email")


@dataclass(frozen=True, slots=True, kw_only=True)
class Allocated:
    """What one target allocated to one person, as its newest event says."""

    person_id: str
    target: str
    username: str | None
    email: str | None
    time: datetime
    cause: Cause


@dataclass(frozen=True, slots=True, kw_only=True)
class NameAuthority:
    """Who decides each name of a district. `sis`: its value, else an allocated one.

    `targets` come first in their order where several allocated a name; the others follow by id.
    """

    username: Owner = "sis"
    email: Owner = "sis"
    targets: tuple[str, ...] = ()

    def owner(self, field: str) -> Owner:
        """Who decides `field`, one of NAME_FIELDS."""
        return self.username if field == "username" else self.email


Authority: TypeAlias = Callable[[str], NameAuthority]
Held: TypeAlias = Mapping[str, Allocated]

_SIS_FIRST: Final = NameAuthority()


def sis_first(_district_id: str) -> NameAuthority:
    """The authority of a district that configured none."""
    return _SIS_FIRST


def newest(held: Held, told: Iterable[Allocated]) -> dict[str, Allocated]:
    """By target, those of `told` that are newer than what is held. Any order gives the same."""
    news: dict[str, Allocated] = {}
    for one in told:
        before = news.get(one.target) or held.get(one.target)
        if before is None or _age(one) > _age(before):
            news[one.target] = one
    return news


def with_names(record: Record, held: Held, authority: NameAuthority) -> Record:
    """The user's record as vendors see it: names by authority, everything else as the SIS said."""
    shown: dict[str, Any] = {}
    for field in NAME_FIELDS:
        said = record.get(field) if authority.owner(field) == "sis" else None
        shown[field] = said or _allocated(field, held, authority)
    return {**record, **shown}


def as_said(record: Record, authority: NameAuthority) -> Record:
    """The user's record as consumers of states see it: never a name a directory decides.

    They build desired accounts from it, so an allocated name in it would feed itself.
    """
    hidden = [field for field in NAME_FIELDS if authority.owner(field) == "directory"]
    if not hidden:
        return record
    return {name: value for name, value in record.items() if name not in hidden}


def _age(one: Allocated) -> tuple[datetime, str]:
    return one.time, one.cause.event_id


def _allocated(field: str, held: Held, authority: NameAuthority) -> str | None:
    place = {target: number for number, target in enumerate(authority.targets)}
    ordered = sorted(held.values(), key=lambda o: (place.get(o.target, len(place)), o.target))
    found = (one.username if field == "username" else one.email for one in ordered)
    return next((name for name in found if name), None)
