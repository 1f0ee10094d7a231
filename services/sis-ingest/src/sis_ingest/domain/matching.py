"""Link instead of create: an outside id not seen before may mean a record we know. Pure.

Rules in order, within a district and between records of one kind: the state's id, the local
number, an id that the record had before, a staff member's e-mail. What is not certain is no match:
two taken for one is worse than one taken for two, which an operator can merge.
Source: blueprint invariants 4 and 8, ADR 0014.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from sis_ingest.domain.entities import Entity
from sis_ingest.domain.match_keys import MatchKeys
from sis_ingest.domain.references import IdKey

MatchRule: TypeAlias = Literal["same_state_id", "same_local_id", "same_legacy_id", "same_email"]
# Our ids that a record may mean, but not certainly, and the rule that met each.
Near: TypeAlias = Mapping[str, MatchRule]

# In the order of import, so that what a key refers to has an id of ours before it.
MATCHED: Final[tuple[Entity, ...]] = ("org", "academicSession", "course", "class", "user")


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """A record of the district, active or gone, that carries some of these keys.

    `outside` are ids by which the strangers' source, or one before it, knows the record;
    `at_home`: their own source knows it.
    """

    entity_id: str
    keys: MatchKeys
    outside: Set[str] = frozenset()
    at_home: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """Which record a new outside id means, and by which rule."""

    entity_id: str
    rule: MatchRule


@dataclass(frozen=True, slots=True, kw_only=True)
class Matched:
    """`conflicts` met somebody, but not certainly: they get an id of their own."""

    matches: Mapping[IdKey, Match]
    conflicts: Mapping[IdKey, Near]


def find_matches(
    strangers: Mapping[IdKey, MatchKeys],
    holders: Sequence[Holder],
    busy: Mapping[str, Set[str]],
    listed: Set[str] = frozenset(),
) -> Matched:
    """Which strangers are records we know.

    `busy` holds, by our id, the outside ids of the strangers' source that live there today: whoever
    has one is another record there, unless the stranger says that it was this one before and the
    complete list at hand, where there is one, does not name that one, too: `listed` are those it
    names. Two strangers of one batch that meet the same record are two; neither is matched.
    """
    met = {key: _meet(keys, holders) for key, keys in strangers.items()}
    claims = Counter(match.entity_id for match in met.values() if isinstance(match, Match))
    matches: dict[IdKey, Match] = {}
    conflicts: dict[IdKey, Near] = {}
    for key, match in met.items():
        if not isinstance(match, Match):
            if match:
                conflicts[key] = match
        elif claims[match.entity_id] > 1 or (
            busy.get(match.entity_id, frozenset()) - (set(strangers[key].legacy_ids) - listed)
        ):
            conflicts[key] = {match.entity_id: match.rule}
        else:
            matches[key] = match
    return Matched(matches=matches, conflicts=conflicts)


def _meet(keys: MatchKeys, holders: Sequence[Holder]) -> Match | Near:
    """The one record meant by the first rule that is certain; else all that were near."""
    near: dict[str, MatchRule] = {}
    for rule, same in _RULES:
        found = [holder for holder in holders if same(keys, holder)]
        ids = {h.entity_id for h in found}
        certain = {h.entity_id for h in found if not _contradict(rule, keys, h)}
        if rule == "same_email" and len(ids) > 1:
            certain = ids
        if len(certain) == 1:
            return Match(entity_id=next(iter(certain)), rule=rule)
        near |= dict.fromkeys(ids - near.keys(), rule)
        if certain:
            break
    return near


def _same_state_id(keys: MatchKeys, holder: Holder) -> bool:
    return _kin(keys, holder) and _equal(keys.state_id, holder.keys.state_id)


def _same_local_id(keys: MatchKeys, holder: Holder) -> bool:
    """Where a number is but the record's own id over again, it is certain with the name alone.

    But one source counts its people once, whatever it names them by.
    """
    borrowed = keys.borrowed or holder.keys.borrowed
    if keys.is_person and holder.at_home:
        borrowed = False
    return (
        _kin(keys, holder)
        and _equal(keys.local_id, holder.keys.local_id)
        and (not borrowed or _equal(keys.name, holder.keys.name))
    )


def _same_legacy_id(keys: MatchKeys, holder: Holder) -> bool:
    """Whatever the kind: the source itself says that it is the same record."""
    return not holder.outside.isdisjoint(keys.legacy_ids)


def _same_email(keys: MatchKeys, holder: Holder) -> bool:
    return _kin(keys, holder) and _equal(keys.email, holder.keys.email)


_RULES: Final[tuple[tuple[MatchRule, Callable[[MatchKeys, Holder], bool]], ...]] = (
    ("same_state_id", _same_state_id),
    ("same_local_id", _same_local_id),
    ("same_legacy_id", _same_legacy_id),
    ("same_email", _same_email),
)


def _contradict(rule: MatchRule, one: MatchKeys, holder: Holder) -> bool:
    other = holder.keys
    if _differ(one.state_id, other.state_id):
        return True
    if rule == "same_local_id":
        return one.is_person and not holder.at_home and _unlike(one.name, other.name)
    return rule == "same_email" and _differ(one.local_id, other.local_id)


def _unlike(one: str | None, other: str | None) -> bool:
    """Two names without a word in common: no other spelling, and no new family name."""
    return _differ(one, other) and set((one or "").split()).isdisjoint((other or "").split())


def _kin(keys: MatchKeys, holder: Holder) -> bool:
    return keys.kind == holder.keys.kind


def _equal(one: str | None, other: str | None) -> bool:
    return one is not None and one == other


def _differ(one: str | None, other: str | None) -> bool:
    return one is not None and other is not None and one != other
