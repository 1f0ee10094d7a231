"""Infinite Campus's words to canonical records: one record for each person. Pure.

1.1 has a user for each role of a person, its id the person's behind a letter (`s+123456`); 1.2 has
one user and names the 1.1 id without that letter in `metadata.ic.legacysourceId`. So 1.1 ids are
read without the letter: what 1.2 calls the legacy id is then the very id that we know. In both a
person may stand in several sections. Source: systems.md §1.2, README.md.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias

from sis_ingest.domain.entities import Entity
from sis_ingest.oneroster.wording import ENTITIES as ONEROSTER
from sis_ingest.oneroster.wording import OneRosterWording, is_gone, sourced_id
from sis_ingest.ports.pulls import Fact, Item, Piece, Sections

PEOPLE: Final = ("students", "teachers", "users")
ENTITIES: Final[Mapping[Entity, tuple[str, ...]]] = {**ONEROSTER, "user": PEOPLE}

# A letter, and either a plus or nothing but digits behind it.
_WITH_LETTER: Final = re.compile(r"[A-Za-z](?:\+(.+)|([0-9]+))")
# What stands for a person in several places: all of their items.
_PLACES: Final = "places"
# Where an item stands: its section and its own id.
_Spot: TypeAlias = tuple[str, str]


def person_id(outside: str) -> str:
    """The id of a person of 1.1 without the letter of a role; any other id as it is."""
    found = _WITH_LETTER.fullmatch(outside)
    return outside if found is None else found[1] or found[2]


class CampusWording:
    """`ports.pulls.Wording`. Remembers who stands in more than one place, nobody else."""

    def __init__(self, sections: Sections, *, roles_apart: bool) -> None:
        """`roles_apart`: a person has a user for each role, as in 1.1."""
        self._oneroster = OneRosterWording(sections)
        self._roles_apart = roles_apart
        self._person: Callable[[str], str] = person_id if roles_apart else str
        self._several: Mapping[Entity, Mapping[str, Mapping[_Spot, Item]]] = {
            "user": _several(sections, PEOPLE, self._person),
            "demographics": _several(sections, ENTITIES["demographics"], self._person),
        }

    def pieces(self, entity: Entity, section: str, item: Item) -> Iterable[Piece]:
        """See the port. Whoever stands in several places is told of at the first of them."""
        outside = sourced_id(item)
        person = self._person(outside) if entity in self._several else outside
        places = self._several.get(entity, {}).get(person)
        if places is None:
            yield Piece(external_id=person, content=self._oneroster.placed(item))
        elif next(iter(places)) == (section, outside):
            several = [self._oneroster.placed(place) for place in places.values()]
            yield Piece(external_id=person, content={_PLACES: several})

    def read(self, entity: Entity, section: str, piece: Piece) -> Fact:
        """See the port."""
        item = piece.content
        if _PLACES in item:
            item = self._joined(entity, item[_PLACES])
        if self._roles_apart:
            item = self._renamed(entity, item)
        return self._oneroster.read(
            entity, section, Piece(external_id=piece.external_id, content=item)
        )

    def _joined(self, entity: Entity, items: Sequence[Item]) -> Item:
        """The first that is not gone; in 1.1 with the roles of all that are not."""
        live = [item for item in items if not is_gone(item)] or items[:1]
        if entity != "user" or not self._roles_apart:
            return live[0]
        roles = [role for item in live for role in self._oneroster.roles_of(item)]
        alone = {name: value for name, value in live[0].items() if name not in ("role", "orgs")}
        return {**alone, "roles": roles}

    def _renamed(self, entity: Entity, item: Item) -> Item:
        """The same with what it refers to as a person named as persons are."""
        match entity, item:
            case "user", {"agents": list(agents)}:
                return {**item, "agents": [self._ref(one) for one in agents]}
            case "enrollment", {"user": user}:
                return {**item, "user": self._ref(user)}
            case _:
                return item

    def _ref(self, reference: Any) -> Any:
        if not isinstance(reference, dict):
            return reference
        return {**reference, "sourcedId": self._person(sourced_id(reference))}


def _several(
    sections: Sections, names: Sequence[str], person: Callable[[str], str]
) -> Mapping[str, Mapping[_Spot, Item]]:
    """The items of everybody who stands under two ids, or in two sections."""
    first: dict[str, int] = {}
    twice: set[str] = set()
    for spot, _ in _spots(sections, names):
        # The hash of a place is enough: a chance equal is a row that counts as repeated.
        who, place = person(spot[1]), hash(spot)
        if first.setdefault(who, place) != place:
            twice.add(who)
    found: dict[str, dict[_Spot, Item]] = {}
    for spot, item in _spots(sections, names) if twice else ():
        if (who := person(spot[1])) in twice:
            found.setdefault(who, {}).setdefault(spot, item)
    return found


def _spots(sections: Sections, names: Sequence[str]) -> Iterator[tuple[_Spot, Item]]:
    return (((name, sourced_id(item)), item) for name in names for item in sections(name))
