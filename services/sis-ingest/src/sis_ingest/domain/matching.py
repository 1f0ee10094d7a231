"""Link instead of create: an outside id not seen before may mean a person we know. Pure.

Rules in order: the state's id (`userMasterIdentifier`), then the local number (`identifier`),
within the district and between people of one kind. What is not certain is no match: two people
taken for one is worse than one taken for two, which an operator can merge.
Source: blueprint invariants 4 and 8, ADR 0014.
"""

from collections import Counter
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from sis_ingest.domain.records import Record
from sis_ingest.domain.references import IdKey

MatchRule: TypeAlias = Literal["same_state_id", "same_local_id"]
Kind: TypeAlias = Literal["student", "guardian", "staff"]

_GUARDIANS: Final = frozenset({"guardian", "parent", "relative"})
# A longer one is no number of a person, and would not fit the index.
_LONGEST: Final = 255


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchKeys:
    """What a user's record says that may name the same person in another record."""

    state_id: str | None
    local_id: str | None
    kind: Kind

    def __bool__(self) -> bool:
        return self.state_id is not None or self.local_id is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """A person of the district, active or gone, who carries these keys."""

    entity_id: str
    keys: MatchKeys


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """Whom a new outside id means, and by which rule."""

    entity_id: str
    rule: MatchRule


@dataclass(frozen=True, slots=True, kw_only=True)
class Matched:
    """`conflicts` met somebody, but not certainly: they get an id of their own."""

    matches: Mapping[IdKey, Match]
    conflicts: tuple[IdKey, ...]


def match_keys(record: Record) -> MatchKeys:
    """The keys of a user's record, trimmed; the kind is that of its primary role."""
    return MatchKeys(
        state_id=_key(record.get("userMasterIdentifier")),
        local_id=_key(record.get("identifier")),
        kind=_kind(record),
    )


def find_matches(
    strangers: Mapping[IdKey, MatchKeys], holders: Sequence[Holder], busy: Set[str]
) -> Matched:
    """Which strangers are people we know.

    `busy` holds our ids that another record of the strangers' source speaks for today: whoever
    has one is somebody else there. Two strangers of one batch that meet the same person are two
    people; neither is matched.
    """
    met = {key: _meet(keys, holders) for key, keys in strangers.items()}
    claims = Counter(match.entity_id for match in met.values() if isinstance(match, Match))
    matches: dict[IdKey, Match] = {}
    conflicts: list[IdKey] = []
    for key, match in met.items():
        if (
            isinstance(match, Match)
            and match.entity_id not in busy
            and claims[match.entity_id] == 1
        ):
            matches[key] = match
        elif match is not None:
            conflicts.append(key)
    return Matched(matches=matches, conflicts=tuple(conflicts))


def _meet(keys: MatchKeys, holders: Sequence[Holder]) -> Match | Literal["several"] | None:
    kin = [holder for holder in holders if holder.keys.kind == keys.kind]
    if keys.state_id is not None:
        found = {h.entity_id for h in kin if h.keys.state_id == keys.state_id}
        if found:
            return _only(found, "same_state_id")
    if keys.local_id is None:
        return None
    found = {
        h.entity_id
        for h in kin
        if h.keys.local_id == keys.local_id and not _contradict(h.keys.state_id, keys.state_id)
    }
    return _only(found, "same_local_id") if found else None


def _only(found: Set[str], rule: MatchRule) -> Match | Literal["several"]:
    return Match(entity_id=next(iter(found)), rule=rule) if len(found) == 1 else "several"


def _contradict(one: str | None, other: str | None) -> bool:
    return one is not None and other is not None and one != other


def _key(value: object) -> str | None:
    trimmed = value.strip() if isinstance(value, str) else ""
    return trimmed if 0 < len(trimmed) <= _LONGEST else None


def _kind(record: Record) -> Kind:
    roles = record.get("roles") or [{}]
    role = next((r for r in roles if r.get("roleType") == "primary"), roles[0]).get("role")
    if role == "student":
        return "student"
    return "guardian" if role in _GUARDIANS else "staff"
