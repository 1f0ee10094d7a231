"""Names nobody has: made of syllables, so that no list of people was used."""

from itertools import product
from random import Random

_GIVEN = [a + b for a, b in product(
    ("Al", "Bren", "Cor", "Del", "El", "Fen", "Gar", "Hal", "Ir", "Jor", "Kel", "Lor"),
    ("a", "an", "en", "ia", "in", "is", "o", "ora", "wyn"),
)]  # fmt: skip
_FAMILY = [a + b for a, b in product(
    ("Ald", "Brack", "Carn", "Dor", "Estr", "Fald", "Gren", "Hest", "Ivers", "Kest", "Lind",
     "Marl", "Nor", "Ost", "Pell", "Quill", "Rav", "Sel", "Thorn", "Und", "Vel", "Wend"),
    ("aby", "bourne", "castle", "dale", "er", "field", "gate", "holm", "ley", "mark", "ow", "well"),
)]  # fmt: skip
_PLACES = ("Alder", "Birch", "Cedar", "Dogwood", "Elm", "Fir", "Hazel", "Juniper", "Larch", "Maple",
           "Oak", "Pine", "Rowan", "Spruce", "Willow")  # fmt: skip
_LAND = ("Creek", "Hill", "Meadow", "Ridge", "Valley")


def given(random: Random) -> str:
    """A given name."""
    return random.choice(_GIVEN)


def family(random: Random) -> str:
    """A family name."""
    return random.choice(_FAMILY)


def school(index: int, level: str) -> str:
    """The name of a district's school number `index`; 75 before one repeats with a number."""
    place = _PLACES[index % len(_PLACES)]
    land = _LAND[index // len(_PLACES) % len(_LAND)]
    again = index // (len(_PLACES) * len(_LAND))
    return " ".join([place, land, *([str(again + 1)] if again else []), level])
