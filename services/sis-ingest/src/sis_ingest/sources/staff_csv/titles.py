"""Which OneRoster role a job title means. Pure.

A role is what vendors give rights by, so a title that is not plain gets none of them: `ext:staff`,
an extension of OneRoster's open list. The first line that fits counts, so that the principal's
secretary is no principal and a teacher's aide no teacher.
"""

import re
from typing import Final

from roster_common.contracts.oneroster_values import USER_ROLES

STAFF: Final = "ext:staff"

# What a staff file may call somebody outright.
ROLES: Final = frozenset(USER_ROLES) - {"student", "guardian", "parent", "relative"} | {STAFF}

_TITLES: Final = tuple(
    (re.compile(rf"\b(?:{words})\b"), role)
    for words, role in (
        (r"secretar\w*|clerk|receptionist|office|administrative|executive assistant", STAFF),
        (r"assistant to|retired|former|volunteer", STAFF),
        (r"para ?(?:professional|educator)s?|paras?|aides?", "aide"),
        (r"(?:teach\w*(?:'s)?|instruction\w*|classroom|educat\w*) (?:assistant|asst)", "aide"),
        (r"assistant teachers?", "aide"),
        (r"counsell?or", "counselor"),
        (r"(?:assistant|asst|vice|associate|deputy|co) ?-?principal", "siteAdministrator"),
        (r"(?:school|site) administrator", "siteAdministrator"),
        (r"principal", "principal"),
        (r"superintendent|district administrator", "districtAdministrator"),
        (r"proctor", "proctor"),
        (r"teachers?|tchr|instructor", "teacher"),
    )
)


def role_of(title: str) -> str:
    """The role of a job title; `ext:staff` where it names none for certain."""
    text = title.casefold()
    return next((role for pattern, role in _TITLES if pattern.search(text)), STAFF)
