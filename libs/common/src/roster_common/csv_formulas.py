"""Free text in OneRoster CSV packages that a spreadsheet would run as a formula. Pure.

Our packages write it with an apostrophe in front, and packages of ours are read back without it.
What machines match (ids, references, codes, dates, addresses, phone numbers) is never changed.
Source: ADR 0027.
"""

import re
from typing import Final

METADATA: Final = "metadata."
# How the manifest of a package says that it is one of ours.
SYSTEM_CODE: Final = "homeroom"
# What people type for people to read, by its column.
_FREE_TEXT: Final = frozenset(
    {
        "cityOfBirth",
        "description",
        "familyName",
        "givenName",
        "location",
        "middleName",
        "name",
        "periods",
        "preferredFamilyName",
        "preferredGivenName",
        "preferredMiddleName",
        "pronouns",
        "subjects",
        "title",
    }
)
# With the apostrophes before it, so that taking one away always gives what was there.
_FORMULA: Final = re.compile(r"'*[=+\-@\t\r]")


def guarded(column: str, text: str) -> str:
    """The cell as a package has it."""
    return f"'{text}" if _is_free_text(column) and _FORMULA.match(text) else text


def unguarded(column: str, cell: str) -> str:
    """What `guarded` made the cell of."""
    guards = cell.startswith("'") and _is_free_text(column) and _FORMULA.match(cell)
    return cell[1:] if guards else cell


def _is_free_text(column: str) -> bool:
    return column in _FREE_TEXT or column.startswith(METADATA)
