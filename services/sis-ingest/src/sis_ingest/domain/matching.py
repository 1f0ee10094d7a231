"""Link instead of create: an outside id not seen before may mean a record we know. Pure.

Rules in order, within a district and between records of one kind: the state's id, the local
number, an id that the record had before, a staff member's e-mail. What is not certain is no match:
two taken for one is worse than one taken for two, which an operator can merge.
Source: blueprint invariants 4 and 8, ADR 0014.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from itertools import combinations, groupby
from typing import Final, Literal, TypeAlias

from sis_ingest.domain.entities import Entity
from sis_ingest.domain.match_keys import MatchKeys, unlike
from sis_ingest.domain.references import IdKey

MatchRule: TypeAlias = Literal["same_state_id", "same_local_id", "same_legacy_id", "same_email"]
# Our ids that a record may mean, but not certainly, and the rule that met each.
Near: TypeAlias = Mapping[str, MatchRule]
# A rule, the kind of record that it is asked of, and what must be the same.
_Key: TypeAlias = tuple[MatchRule, str, str]

# In the order of import, so that what a key refers to has an id of ours before it.
MATCHED: Final[tuple[Entity, ...]] = ("org", "academicSession", "course", "class", "user")


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """A record of the district, active or gone, that carries some of these keys.

    `outside` are ids by which the strangers' source, or one before it, knows the record;
    `at_home`: their own source knows it. `gone`: nobody has it any more, or may speak of it.
    `hearsay`: of the record and the strangers, one is told of by supplements alone.
    """

    entity_id: str
    keys: MatchKeys
    outside: Set[str] = frozenset()
    at_home: bool = False
    gone: bool = False
    hearsay: bool = False


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
    by_key: dict[_Key, list[Holder]] = {}
    for holder in holders:
        for named in _named(holder.keys, holder.outside):
            by_key.setdefault(named, []).append(holder)
    met = {key: _meet(keys, by_key) for key, keys in strangers.items()}
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


def alike_strangers(
    strangers: Mapping[IdKey, MatchKeys], *, most: int
) -> Iterator[tuple[IdKey, IdKey, MatchRule]]:
    """Pairs of strangers that share a key: nobody knew either, so neither could meet the other.

    By the first rule that names both; nobody of a key that more than `most` others share.
    """
    sharing: dict[_Key, list[IdKey]] = {}
    for one, keys in strangers.items():
        for key in _named(keys, ()):
            sharing.setdefault(key, []).append(one)
    pairs: dict[tuple[IdKey, IdKey], MatchRule] = {}
    for (rule, _, _), found in sorted(sharing.items(), key=lambda item: _RANK[item[0][0]]):
        if len(found) <= most + 1:
            for pair in combinations(found, 2):
                pairs.setdefault(pair, rule)
    for (one, other), rule in pairs.items():
        yield one, other, rule


def _meet(keys: MatchKeys, by_key: Mapping[_Key, Sequence[Holder]]) -> Match | Near:
    """The one record meant by the first rule that is certain; else all that were near."""
    near: dict[str, MatchRule] = {}
    for rule, named in groupby(_named(keys, keys.legacy_ids), key=lambda key: key[0]):
        met = [holder for key in named for holder in by_key.get(key, ())]
        found = [h for h in met if rule != "same_local_id" or _is_number(keys, h)]
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


def _named(keys: MatchKeys, outside: Iterable[str]) -> Iterator[_Key]:
    """What names a record, in the order of the rules.

    An id from before names one of whatever kind: the source itself says that it is the same.
    """
    if keys.state_id is not None:
        yield "same_state_id", keys.kind, keys.state_id
    if keys.local_id is not None:
        yield "same_local_id", keys.kind, keys.local_id
    for one in outside:
        yield "same_legacy_id", "", one
    if keys.email is not None:
        yield "same_email", keys.kind, keys.email


_RANK: Final[Mapping[MatchRule, int]] = {
    "same_state_id": 0,
    "same_local_id": 1,
    "same_legacy_id": 2,
    "same_email": 3,
}


def _is_number(keys: MatchKeys, holder: Holder) -> bool:
    """Where a number is but the record's own id over again, it counts with the name alone.

    But one source counts its people once, whatever it names them by.
    """
    borrowed = keys.borrowed or holder.keys.borrowed
    if keys.is_person and holder.at_home:
        borrowed = False
    return not borrowed or _equal(keys.name, holder.keys.name)


def _contradict(rule: MatchRule, one: MatchKeys, holder: Holder) -> bool:
    other = holder.keys
    if _differ(one.state_id, other.state_id):
        return True
    if not one.is_person or rule == "same_legacy_id":
        return False
    if holder.hearsay and one.kind == "student" and unlike(one.given, other.given):
        return True
    if rule == "same_local_id":
        return unlike(one.name, other.name)
    return rule == "same_email" and _is_another(one, holder)


def _is_another(one: MatchKeys, holder: Holder) -> bool:
    """An address is given to others: to the next one in an office, or of the same name."""
    other = holder.keys
    return (
        _differ(one.local_id, other.local_id)
        or unlike(one.name, other.name)
        or (holder.gone and _differ(one.name, other.name))
    )


def _equal(one: str | None, other: str | None) -> bool:
    return one is not None and one == other


def _differ(one: str | None, other: str | None) -> bool:
    return one is not None and other is not None and one != other
