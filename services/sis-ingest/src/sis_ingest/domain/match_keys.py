"""What a record says that may name the same thing in another record. Pure.

Keys that refer to other records do so by our ids, so that two sources can mean the same school.
Which keys are certain enough, and why: ADR 0014.
"""

import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from sis_ingest.domain.entities import Entity
from sis_ingest.domain.records import Record
from sis_ingest.domain.references import IdKey

_GUARDIANS: Final = frozenset({"guardian", "parent", "relative"})
_PERSONS: Final = frozenset({"student", "guardian", "staff"})
_LEGACY: Final = ("legacysourceid", "legacysourcedid", "legacysourcedids")
# A longer one is no number of anything, and would not fit the index.
_LONGEST: Final = 255
_BETWEEN: Final = "\x1f"


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchKeys:
    """`kind`: only records of one kind can be the same. `name` is folded, and never enough.

    `local_id` is what the district numbers the record by: a person's or a school's number, a
    course by school and code, a class by school, course, code and terms, a session by its dates
    and title. `borrowed` says that the number is only the record's own id over again.
    `legacy_ids` are ids that the record had in its source before. `given` are a person's first
    names, all that they are called by.
    """

    kind: str
    state_id: str | None = None
    local_id: str | None = None
    email: str | None = None
    legacy_ids: tuple[str, ...] = ()
    name: str | None = None
    given: str | None = None
    borrowed: bool = False

    @property
    def is_person(self) -> bool:
        """Whether it is a person who carries them."""
        return self.kind in _PERSONS

    def __bool__(self) -> bool:
        return bool(self.state_id or self.local_id or self.email or self.legacy_ids)


def match_keys(entity: Entity, record: Record, ids: Mapping[IdKey, str] | None = None) -> MatchKeys:
    """The keys of a record, trimmed.

    `ids` gives our ids for what it refers to; None when it does so by our ids already. A key
    that refers to something without an id of ours is none.
    """
    own = _key(record.get("sourcedId"))
    legacy = tuple(one for one in _legacy_ids(record.get("metadata")) if one != own)
    match entity:
        case "user":
            kind, number = _kind(record), _key(record.get("identifier"))
            return MatchKeys(
                kind=kind,
                state_id=_key(record.get("userMasterIdentifier")),
                local_id=number,
                email=fold_email(record.get("email")) if kind == "staff" else None,
                legacy_ids=legacy,
                name=fold(record.get("familyName"), record.get("givenName")),
                given=_first_names(record),
                borrowed=number is not None and number == own,
            )
        case "org":
            number = _key(record.get("identifier"))
            return MatchKeys(
                kind=str(record.get("type")),
                local_id=number,
                legacy_ids=legacy,
                name=fold(record.get("name")),
                borrowed=number == own,
            )
        case "course":
            code = _key(record.get("courseCode"))
            return MatchKeys(
                kind=entity,
                local_id=_joined(_ours(record.get("org"), "org", ids), code),
                legacy_ids=legacy,
                name=fold(record.get("title")),
                borrowed=code == own,
            )
        case "class":
            terms = [_ours(one, "academicSession", ids) for one in record.get("terms") or [None]]
            return MatchKeys(
                kind=entity,
                local_id=_joined(
                    _ours(record.get("school"), "org", ids),
                    _ours(record.get("course"), "course", ids),
                    _key(record.get("classCode")),
                    *sorted(terms, key=str),
                ),
                legacy_ids=legacy,
            )
        case "academicSession":
            dates = [_key(record.get(name)) for name in ("startDate", "endDate", "schoolYear")]
            return MatchKeys(
                kind=str(record.get("type")),
                local_id=_joined(*dates, fold(record.get("title"))),
                legacy_ids=legacy,
            )
        case _:
            return MatchKeys(kind=entity)


def fold(*parts: object) -> str | None:
    """Names without case, accents, signs and double blanks; None unless every part says something.

    "O'Brien-Nuñez" and "obrien nunez" are alike.
    """
    folded = [_folded(part) if isinstance(part, str) else "" for part in parts]
    return " ".join(folded)[:_LONGEST] if all(folded) else None


def unlike(one: str | None, other: str | None) -> bool:
    """Two folded names without a word in common: no other spelling, and no new family name."""
    return one is not None and other is not None and set(one.split()).isdisjoint(other.split())


def fold_email(value: object) -> str | None:
    """An address without case; None for what cannot be one."""
    address = _key(value)
    return address.casefold() if address is not None and "@" in address else None


def _first_names(record: Record) -> str | None:
    names = (record.get(name) for name in ("givenName", "preferredFirstName"))
    return fold(*(name for name in names if name)) or None


def _folded(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text.replace("'", "").replace("\u2019", "")).casefold()
    letters = "".join(
        " " if not mark.isalnum() else mark for mark in plain if not unicodedata.combining(mark)
    )
    return " ".join(letters.split())


def _legacy_ids(metadata: object, name: str = "") -> Iterator[str]:
    """Ids under a metadata name that ends in legacySourceId or legacySourcedIds, at any depth.

    Infinite Campus has `ic.legacysourceId`; a source's room may add `legacySourcedIds`, a list.
    """
    if isinstance(metadata, Mapping):
        for inner, value in metadata.items():
            yield from _legacy_ids(value, str(inner))
    elif name.rpartition(".")[2].lower() in _LEGACY:
        for value in metadata if isinstance(metadata, list) else [metadata]:
            if (found := _key(value)) is not None:
                yield found


def _ours(reference: Any, space: Entity, ids: Mapping[IdKey, str] | None) -> str | None:
    outside = reference.get("sourcedId") if isinstance(reference, Mapping) else None
    if outside is None or ids is None:
        return outside
    return ids.get((space, outside))


def _joined(*parts: str | None) -> str | None:
    """One key of several; None unless all of them are there."""
    found = [part for part in parts if part is not None]
    return _key(_BETWEEN.join(found)) if len(found) == len(parts) else None


def _key(value: object) -> str | None:
    trimmed = value.strip() if isinstance(value, str) else ""
    return trimmed if 0 < len(trimmed) <= _LONGEST else None


def _kind(record: Record) -> str:
    roles = record.get("roles") or [{}]
    role = next((r for r in roles if r.get("roleType") == "primary"), roles[0]).get("role")
    if role == "student":
        return "student"
    return "guardian" if role in _GUARDIANS else "staff"
