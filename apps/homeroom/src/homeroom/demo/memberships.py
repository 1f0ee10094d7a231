"""Who belongs to which group: as the roster says it, and as the directory has it. Pure.

Written from the published rule, not from our code: a class has a group of its students and
teachers, a school one of its students and one of its staff; a day that begins something is inside,
one that ends it outside. Members are written `<group's key>/<person>`.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

Json = Mapping[str, Any]

SEATED: Final = frozenset({"student", "teacher"})
FAMILY: Final = frozenset({"guardian", "parent", "relative"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """A vendor's rows of each collection."""

    orgs: Collection[Json]
    users: Collection[Json]
    enrollments: Collection[Json]
    classes: Collection[Json]
    sessions: Collection[Json]


def in_roster(rows: Rows, *, today: date) -> set[str]:
    """Return whom the roster puts into which group on that day."""
    schools = {org["sourcedId"] for org in rows.orgs if org["type"] == "school"}
    held = classes_in_force(rows.classes, rows.sessions, today=today)
    members = {
        f"k12:class:{row['class']['sourcedId']}/{row['user']['sourcedId']}"
        for row in rows.enrollments
        if _counts(row, today) and row["role"] in SEATED and row["class"]["sourcedId"] in held
    }
    for user in rows.users:
        if user["status"] == "active":
            keys = _of_roles(user, schools, today)
            members.update(f"{key}/{user['sourcedId']}" for key in keys)
    return members


def classes_in_force(
    classes: Iterable[Json], sessions: Iterable[Json], *, today: date
) -> frozenset[str]:
    """Return the ids of active classes between their first term's begin and last one's end."""
    days = {one["sourcedId"]: (one["startDate"], one["endDate"]) for one in sessions}
    found = set()
    for one in classes:
        terms = [days[t["sourcedId"]] for t in one.get("terms") or () if t["sourcedId"] in days]
        first = min((begin for begin, _end in terms), default="")
        last = max((end for _begin, end in terms), default="9999")
        if one["status"] == "active" and first <= today.isoformat() < last:
            found.add(str(one["sourcedId"]))
    return frozenset(found)


def in_directory(groups: Iterable[Json], person_of: Mapping[str, str]) -> list[str]:
    """Return whom the directory's groups hold; `person_of` gives a person by account id."""
    return [
        f"{group['externalId']}/{person_of.get(member['value'], 'nobody')}"
        for group in groups
        for member in group.get("members") or ()
    ]


def _of_roles(user: Json, schools: set[str], today: date) -> Iterator[str]:
    for role in user["roles"]:
        org_id = role["org"]["sourcedId"]
        if org_id in schools and role["role"] not in FAMILY and _counts(role, today):
            kind = "students" if role["role"] == "student" else "staff"
            yield f"k12:school:{org_id}:{kind}"


def _counts(row: Json, today: date) -> bool:
    begin, end = row.get("beginDate") or "", row.get("endDate") or "9999"
    return row.get("status", "active") == "active" and begin <= today.isoformat() < end
