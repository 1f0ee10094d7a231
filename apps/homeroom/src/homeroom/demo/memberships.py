"""Who belongs to which group: as the roster says it, and as the directory has it. Pure.

Written from the published rule, not from our code: a class has a group of its students and
teachers, a school one of its students and one of its staff. Members are `<group's key>/<person>`.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

Json = Mapping[str, Any]

SEATED: Final = frozenset({"student", "teacher"})
FAMILY: Final = frozenset({"guardian", "parent", "relative"})


def dated(rows: Iterable[Json]) -> bool:
    """Whether something begins or ends on a day: then more than the rows decides who belongs."""
    return any(row.get("beginDate") or row.get("endDate") for row in rows)


def in_roster(users: Iterable[Json], enrollments: Iterable[Json], orgs: Iterable[Json]) -> set[str]:
    """Return whom a vendor's rows, none of them dated, put into which group."""
    schools = {org["sourcedId"] for org in orgs if org["type"] == "school"}
    members = {
        f"k12:class:{row['class']['sourcedId']}/{row['user']['sourcedId']}"
        for row in enrollments
        if row["status"] == "active" and row["role"] in SEATED
    }
    for user in users:
        if user["status"] == "active":
            members.update(f"{key}/{user['sourcedId']}" for key in _of_roles(user, schools))
    return members


def in_directory(groups: Iterable[Json], person_of: Mapping[str, str]) -> list[str]:
    """Return whom the directory's groups hold; `person_of` gives a person by account id."""
    return [
        f"{group['externalId']}/{person_of.get(member['value'], 'nobody')}"
        for group in groups
        for member in group.get("members") or ()
    ]


def _of_roles(user: Json, schools: set[str]) -> Iterator[str]:
    for role in user["roles"]:
        org_id = role["org"]["sourcedId"]
        if org_id in schools and role["role"] not in FAMILY:
            kind = "students" if role["role"] == "student" else "staff"
            yield f"k12:school:{org_id}:{kind}"
