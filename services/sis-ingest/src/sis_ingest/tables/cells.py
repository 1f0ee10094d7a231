"""What a cell says. Pure."""

import re
from datetime import date
from typing import Final

from roster_common.errors import Invalid
from sis_ingest.tables.table import Row

_ISO: Final = re.compile(r"(?P<year>\d{4})-(?P<month>\d{1,2})-(?P<day>\d{1,2})")
_AMERICAN: Final = re.compile(r"(?P<month>\d{1,2})/(?P<day>\d{1,2})/(?P<year>\d{4})")


def day(row: Row, name: str) -> date | None:
    """A date as 2026-08-17 or 8/17/2026, a time behind it cut off; None for an empty cell.

    Raises `Invalid`: not_a_date. A year of two digits is none: 30 may be 1930 or 2030.
    """
    text = row.get(name, "").partition("T")[0].partition(" ")[0]
    if not text:
        return None
    found = _ISO.fullmatch(text) or _AMERICAN.fullmatch(text)
    try:
        if found is not None:
            return date(int(found["year"]), int(found["month"]), int(found["day"]))
    except ValueError:
        pass
    raise Invalid("not_a_date", field=name)
