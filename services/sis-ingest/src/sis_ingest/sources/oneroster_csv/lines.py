"""Lines of a CSV file, and the hash that says whether a line can mean anything new. Pure.

Normalising a row costs twenty times what hashing it does, and most rows of a nightly file are
those of the night before.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import Any, Final, NamedTuple

import orjson

from sis_ingest.domain.snapshots import RawRow

# To be raised whenever a row comes to mean another record (normalise.py, the contracts it builds):
# every row is then read anew once.
MEANING: Final = b"3"

# What exports rewrite every night although nothing changed, and what is never kept.
_NOT_CONTENT: Final = frozenset({"dateLastModified", "password"})
_HASH_BYTES: Final = 16


class Line(NamedTuple):
    """One data row: its number, the bytes read up to its end, its cells in the header's order."""

    number: int
    read_to: int
    cells: list[str]


class RowHasher:
    """Hashes rows of one file together with everything else that their records are made of."""

    def __init__(
        self,
        header: Sequence[str],
        about: str,
        org_types: Mapping[str, str],
        roles_of: Callable[[str], Sequence[Mapping[str, Any]]] | None,
    ) -> None:
        """`about` names dialect and file; `roles_of` gives those that stand in a file of theirs."""
        columns = [place for place, column in enumerate(header) if column not in _NOT_CONTENT]
        self._content = itemgetter(*columns)
        self._id = header.index("sourcedId")
        self._roles_of = roles_of
        known = [about, [header[place] for place in columns], sorted(org_types.items())]
        self._seed = hashlib.blake2b(MEANING + orjson.dumps(known), digest_size=_HASH_BYTES)

    def raw_row(self, line: Line) -> RawRow:
        """The line with its hash."""
        external_id = line.cells[self._id].strip()
        digest = self._seed.copy()
        digest.update(orjson.dumps(self._content(line.cells)))
        if self._roles_of is not None:
            digest.update(b"".join(sorted(map(orjson.dumps, self._roles_of(external_id)))))
        return RawRow(
            row=line.number,
            external_id=external_id,
            raw_hash=digest.digest(),
            cells=line.cells,
        )
