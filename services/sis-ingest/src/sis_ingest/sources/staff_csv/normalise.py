"""Rows of a staff file to OneRoster 1.2 people and the sites they work at. Pure.

Ids get a prefix of their own, so that an employee's number never takes the id of a student who has
the same. People are recognised by `identifier` (the employee's number), sites by theirs.
"""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from itertools import combinations
from typing import Any, Final

from roster_common.contracts.oneroster import OBJECTS, to_record
from roster_common.contracts.oneroster_values import ORG_TYPES
from roster_common.contracts.validation import read_object
from roster_common.errors import Invalid
from sis_ingest.domain.match_keys import fold, unlike
from sis_ingest.domain.records import Record, canonical
from sis_ingest.sources.staff_csv.titles import ROLES, role_of
from sis_ingest.tables.cells import day
from sis_ingest.tables.snapshot import Told
from sis_ingest.tables.table import Row

_PLAIN: Final = (
    "givenName", "familyName", "middleName", "preferredFirstName", "email", "phone", "username",
)  # fmt: skip
_KEPT: Final = ("jobTitle", "managerId")
# Whether somebody is gone. Who is on leave still works here.
_GONE: Final[Mapping[str, bool]] = {
    **dict.fromkeys(("", "active", "a", "employed", "current", "regular", "hired"), False),
    **dict.fromkeys(("leave", "on leave", "leave of absence", "loa", "l"), False),
    **dict.fromkeys(("terminated", "term", "t", "inactive", "i", "separated"), True),
    **dict.fromkeys(("resigned", "retired", "r", "deceased", "dismissed"), True),
}
_ONE_DAY: Final = timedelta(days=1)
# Payroll systems write the end of the calendar where no end is known.
_OPEN: Final = (None, date.max)


def person_ids(row: Row) -> Sequence[str]:
    """The person of the row."""
    found = row.get("employeeId")
    return [f"staff-{found}" if found else ""]


def site_ids(row: Row) -> Sequence[str]:
    """The site of the row, if it names one."""
    found = row.get("siteCode")
    return [f"site-{found}"] if found else []


def to_site(site_id: str, rows: Sequence[Row]) -> Told:
    """A site: a school unless the file says what else, for only a school can be the SIS's."""
    (row,) = rows
    kind = row.get("siteType", "school").casefold()
    if kind not in ORG_TYPES:
        raise Invalid("unknown_site_type", field="siteType")
    site = {
        "sourcedId": site_id,
        "name": row.get("siteName", row["siteCode"]),
        "type": kind,
        "identifier": row["siteCode"],
    }
    return Told(record=_checked("org", site), deleted=False)


def to_person(person_id: str, rows: Sequence[Row]) -> Told:
    """A person, of one row for each job. Gone when every job is. Raises `Invalid` by column."""
    if not person_id:
        raise Invalid("missing", field="employeeId")
    _ensure_one(rows)
    held = [row for row in rows if not _is_gone(row)]
    jobs = held or rows
    roles = _roles(jobs)
    row = jobs[0]
    person = {
        "sourcedId": person_id,
        "enabledUser": True,
        "identifier": row["employeeId"],
        "userMasterIdentifier": row.get("stateId"),
        "roles": roles,
        "primaryOrg": roles[0]["org"],
        "metadata": {name: row[name] for name in _KEPT if name in row} or None,
        **{name: row.get(name) for name in _PLAIN},
    }
    return Told(record=_checked("user", person), deleted=not held)


def _ensure_one(rows: Sequence[Row]) -> None:
    """A number that stands beside two names without a word in common is two people's by mistake,
    or was given to somebody else; which of them it means nobody can tell.
    """
    names = {fold(row.get("familyName"), row.get("givenName")) for row in rows}
    if any(unlike(one, other) for one, other in combinations(names, 2)):
        raise Invalid("names_differ", field="familyName")


def _is_gone(row: Row) -> bool:
    try:
        return _GONE[row.get("status", "").casefold()]
    except KeyError:
        raise Invalid("unknown_status", field="status") from None


def _roles(jobs: Sequence[Row]) -> Sequence[dict[str, Any]]:
    """One role for each job; the first at a site is the primary one there."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    sites: set[str] = set()
    for row in jobs:
        site = next(iter(site_ids(row)), None)
        if site is None:
            raise Invalid("missing", field="siteCode")
        role = _role(row)
        if (site, role) in found:
            continue
        last = day(row, "terminationDate")
        found[site, role] = {
            "roleType": "secondary" if site in sites else "primary",
            "role": role,
            "org": {"sourcedId": site},
            "beginDate": day(row, "hireDate"),
            # OneRoster's end is the first day outside.
            "endDate": None if last in _OPEN else last + _ONE_DAY,
        }
        sites.add(site)
    return list(found.values())


def _role(row: Row) -> str:
    role = row.get("role")
    if role is None:
        return role_of(row.get("jobTitle", ""))
    if role not in ROLES:
        raise Invalid("unknown_role", field="role")
    return role


def _checked(entity: Any, body: Mapping[str, Any]) -> Record:
    kept = {name: value for name, value in body.items() if value is not None}
    return canonical(to_record(read_object(OBJECTS[entity], kept)))
