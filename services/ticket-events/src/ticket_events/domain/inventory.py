"""Reads a district's device inventory (CSV). Pure.

Tolerant of order, case, blanks and underscores in column names, a byte order mark and columns of
others; strict about cells. A bad row is refused by row number, column and code, never by value,
because cells name students. Only a file that cannot be trusted as a whole is refused as a whole.
"""

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from roster_common.errors import Invalid
from ticket_events.domain.device import DeviceStatus
from ticket_events.domain.ids import PersonId

REQUIRED: Final = ("assetTag", "serial", "model", "status", "holder", "site")
OPTIONAL: Final = ("fundingSource", "purchasedOn")
# Rows with too few or too many cells: beyond this the file was cut or joined wrongly.
RAGGED_ROWS: Final = 5
RAGGED_SHARE: Final = 0.1

_COLUMNS: Final = {name.lower(): name for name in (*REQUIRED, *OPTIONAL)}
_SIZES: Final = {"assetTag": 100, "serial": 100, "holder": 255, "site": 255}
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
# OneRoster's characters of an id; without @, because addresses, like names, say who a student is.
_OUR_ID: Final = re.compile(r"[0-9A-Za-z._/-]*")
_ISO_DAY: Final = re.compile(r"\d{4}-\d{2}-\d{2}")
_US_DAY: Final = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4})")
_NEEDS_NO_HOLDER: Final = frozenset({DeviceStatus.IN_STOCK, DeviceStatus.RETIRED})


class FileRefused(Invalid):
    """The file cannot be used at all; `faults` are (column, `rows.7.column` or "body"; code)."""

    def __init__(self, faults: Sequence[tuple[str, str]]) -> None:
        super().__init__(faults[0][1], field=faults[0][0])
        self.faults = tuple(faults)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A row that was not taken. Row 1 is the header, as a spreadsheet counts."""

    row: int
    column: str | None
    code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InventoryRow:
    """One good row."""

    row: int
    asset_tag: str
    serial: str | None
    model: str | None
    status: DeviceStatus
    holder_id: PersonId | None
    site_id: str | None
    funding_source: str | None
    purchased_on: date | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """What a file says. `columns` are those of ours it has; `unknown_columns` counts from 1."""

    read: int
    rows: Sequence[InventoryRow]
    refusals: Sequence[Refusal]
    columns: frozenset[str]
    unknown_columns: Sequence[int]


def read_inventory(body: bytes) -> Inventory:
    """All rows of a file, good ones and refused ones. Raises `FileRefused`, also for a file without
    a good row.

    Rows that share an asset tag or a serial number are all refused: which one is right cannot be
    known from here.
    """
    lines = _lines(body)
    places, unknown = _header(next(lines, []))
    width = len(places) + len(unknown)
    good: list[InventoryRow] = []
    refusals: list[Refusal] = []
    read = ragged = 0
    for number, cells in enumerate(lines, start=2):
        if not any(cell.strip() for cell in cells):
            continue
        read += 1
        if len(cells) != width:
            ragged += 1
            refusals.append(Refusal(row=number, column=None, code="wrong_cell_count"))
            continue
        named = {name: cells[place].strip() for name, place in places.items()}
        try:
            good.append(_row(number, named))
        except Invalid as error:
            refusals.append(Refusal(row=number, column=error.field, code=error.reason))
    if read == 0:
        raise FileRefused([("body", "no_rows")])
    if ragged > max(RAGGED_ROWS, read * RAGGED_SHARE):
        raise FileRefused([("body", "ragged")])
    good, twice = _without_repeats(good)
    refusals = sorted([*refusals, *twice], key=lambda refusal: refusal.row)
    if not good:
        raise FileRefused([("body", "no_good_row"), *(_place(refusal) for refusal in refusals)])
    return Inventory(
        read=read,
        rows=good,
        refusals=refusals,
        columns=frozenset(places),
        unknown_columns=unknown,
    )


def _place(refusal: Refusal) -> tuple[str, str]:
    """A refused row among the faults of a file: `rows.7.holder`, or `rows.7`."""
    parts = ["rows", str(refusal.row), *([refusal.column] if refusal.column else [])]
    return ".".join(parts), refusal.code


def _lines(body: bytes) -> Iterator[list[str]]:
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise FileRefused([("body", "not_utf8")]) from None
    if not text.strip():
        raise FileRefused([("body", "empty")])
    try:
        yield from csv.reader(io.StringIO(text, newline=""), strict=True)
    except csv.Error:
        raise FileRefused([("body", "malformed_csv")]) from None


def _header(cells: Sequence[str]) -> tuple[Mapping[str, int], Sequence[int]]:
    """Places of our columns, and the numbers of those that are not ours."""
    places: dict[str, int] = {}
    unknown: list[int] = []
    faults: list[tuple[str, str]] = []
    for place, cell in enumerate(cells):
        name = _COLUMNS.get(re.sub(r"[\s_-]", "", cell).lower())
        if name is None:
            unknown.append(place + 1)
        elif name in places:
            faults.append((name, "duplicate_column"))
        else:
            places[name] = place
    faults += [(name, "missing_column") for name in REQUIRED if name not in places]
    if faults:
        raise FileRefused(faults)
    return places, unknown


def _row(number: int, cells: Mapping[str, str]) -> InventoryRow:
    """Raises `Invalid` with the column."""
    for name, cell in cells.items():
        if len(cell) > _SIZES.get(name, 200):
            raise Invalid("too_long", field=name)
        if _CONTROL.search(cell):
            raise Invalid("control_character", field=name)
    if not cells["assetTag"]:
        raise Invalid("missing", field="assetTag")
    status = _status(cells["status"])
    for name in ("holder", "site"):
        if not _OUR_ID.fullmatch(cells[name]):
            raise Invalid("not_an_id", field=name)
    holder, site = cells["holder"], cells["site"]
    if holder and status in _NEEDS_NO_HOLDER:
        raise Invalid("holder_not_allowed", field="holder")
    if not holder and (
        status is DeviceStatus.CHECKED_OUT or (status is DeviceStatus.ASSIGNED and not site)
    ):
        raise Invalid("missing", field="holder")
    return InventoryRow(
        row=number,
        asset_tag=cells["assetTag"],
        serial=cells["serial"] or None,
        model=cells["model"] or None,
        status=status,
        holder_id=PersonId(holder) if holder else None,
        site_id=site or None,
        funding_source=cells.get("fundingSource") or None,
        purchased_on=_day(cells.get("purchasedOn", "")),
    )


def _status(cell: str) -> DeviceStatus:
    if not cell:
        raise Invalid("missing", field="status")
    try:
        return DeviceStatus(re.sub(r"[\s-]+", "_", cell.lower()))
    except ValueError:
        raise Invalid("unknown_status", field="status") from None


def _day(cell: str) -> date | None:
    """`2026-08-31`, or `8/31/2026` as American spreadsheets write it."""
    if not cell:
        return None
    try:
        if _ISO_DAY.fullmatch(cell):
            return date.fromisoformat(cell)
        if found := _US_DAY.fullmatch(cell):
            month, day, year = (int(part) for part in found.groups())
            return date(year, month, day)
    except ValueError:
        pass
    raise Invalid("not_a_date", field="purchasedOn")


def _without_repeats(
    rows: Sequence[InventoryRow],
) -> tuple[list[InventoryRow], list[Refusal]]:
    tags = Counter(row.asset_tag for row in rows)
    serials = Counter(row.serial for row in rows if row.serial is not None)
    kept: list[InventoryRow] = []
    refused: list[Refusal] = []
    for row in rows:
        if tags[row.asset_tag] > 1:
            refused.append(Refusal(row=row.row, column="assetTag", code="duplicate"))
        elif row.serial is not None and serials[row.serial] > 1:
            refused.append(Refusal(row=row.row, column="serial", code="duplicate"))
        else:
            kept.append(row)
    return kept, refused
