"""Turns OneRoster 1.2 bodies, as a vendor reads them, into rows of a CSV package. Pure.

Source: OneRoster CSV binding 1.1 and 1.2.1; ADR 0027.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from roster_common.csv_formulas import guarded
from roster_publisher.domain.csv_cells import cell_of, cells_of
from roster_publisher.domain.csv_layout import File, Mode, Version
from roster_publisher.domain.parts import Part
from roster_publisher.domain.v1p1 import to_v1p1
from roster_publisher.domain.views import Body

ACTIVE = "active"
GONE = "tobedeleted"


@dataclass(frozen=True, slots=True, kw_only=True)
class GonePart:
    """A part that a user had and has no more, since `stamp` (as text) and `revision`."""

    part: Part
    stamp: str
    revision: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a package says of one record: `body` as it is there, or as it was if it is not.

    `parts` are those it has, `lost` those it has no more, with the stamp of that.
    """

    body: Body
    stands: bool
    stamp: str
    parts: Sequence[Part] = ()
    lost: Mapping[str, tuple[Part, str]] = field(default_factory=dict)


def rows_of(
    file: File, told: Told, *, version: Version, mode: Mode, metadata: Sequence[str]
) -> Iterable[list[str]]:
    """Rows of `file` for one record: one, or one for each of its parts. Bulk tells what is there,
    with neither status nor time.
    """
    if file.parts:
        yield from _parts(file, told, mode)
        return
    if mode == "bulk" and not told.stands:
        return
    body = told.body
    row = [body["sourcedId"], *_state(told.stands, told.stamp, mode)]
    if version == "1.1":
        body = to_v1p1(body, file.collection.entity)
    columns = file.header(metadata)[len(row) :]
    yield [*row, *(guarded(column, cell_of(body, column)) for column in columns)]


def _parts(file: File, told: Told, mode: Mode) -> Iterable[list[str]]:
    user_id = told.body["sourcedId"]
    for part in told.parts:
        if part.file == file.name and (told.stands or mode == "delta"):
            state = _state(told.stands, told.stamp, mode)
            yield [part.part_id, *state, *cells_of(part.cells, file.columns)]
    if mode == "bulk":
        return
    for part, stamp in told.lost.values():
        if part.file == file.name:
            cells = {**part.cells, "userSourcedId": user_id}
            yield [part.part_id, *_state(False, stamp, mode), *cells_of(cells, file.columns)]


def _state(stands: bool, stamp: str, mode: Mode) -> tuple[str, str]:
    return ("", "") if mode == "bulk" else (ACTIVE if stands else GONE, stamp)
