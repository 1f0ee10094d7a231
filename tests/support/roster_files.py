"""Writes rosters as OneRoster CSV, and makes rosters up: the reverse of what the reader does.

A roster is canonical records by entity and outside id, as the reader gives them.
"""

import csv
import io
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Literal, TypeAlias

from hypothesis import strategies as st

from tests.support.ingesting import (
    CLASSES,
    COURSES,
    ENROLLMENTS,
    ORGS,
    SESSIONS,
    USERS,
    manifest,
    package,
)

Record: TypeAlias = dict[str, Any]
Roster: TypeAlias = Mapping[str, Mapping[str, Record]]
Version: TypeAlias = Literal["1.1", "1.2"]
Row: TypeAlias = dict[str, str]

RACES = (
    "americanIndianOrAlaskaNative", "asian", "blackOrAfricanAmerican",
    "nativeHawaiianOrOtherPacificIslander", "white", "demographicRaceTwoOrMoreRaces",
    "hispanicOrLatinoEthnicity",
)  # fmt: skip
PLACES = (
    "countryOfBirthCode", "stateOfBirthAbbreviation", "cityOfBirth", "publicSchoolResidenceStatus",
)  # fmt: skip
USERS_12 = (
    *(name for name in USERS if name not in ("orgSourcedIds", "role")),
    "userMasterIdentifier", "preferredGivenName", "preferredMiddleName", "preferredFamilyName",
    "primaryOrgSourcedId", "pronouns",
)  # fmt: skip
FIRST: Final = ("sourcedId", "status", "dateLastModified")
COLUMNS: Final[Mapping[str, Sequence[str]]] = {
    "orgs": ORGS,
    "academicSessions": SESSIONS,
    "courses": COURSES,
    "classes": CLASSES,
    "demographics": (*FIRST, "birthDate", "sex", *RACES, *PLACES),
    "enrollments": ENROLLMENTS,
    "roles": (*FIRST, "userSourcedId", "roleType", "role", "beginDate", "endDate", "orgSourcedId"),
}
# Of optional columns: those may be left out where nobody has a value.
NEEDED: Final = frozenset(
    {"sourcedId", "name", "type", "title", "startDate", "endDate", "schoolYear", "courseSourcedId",
     "schoolSourcedId", "termSourcedIds", "enabledUser", "orgSourcedIds", "role", "username",
     "givenName", "familyName", "classSourcedId", "userSourcedId", "roleType", "orgSourcedId"}
)  # fmt: skip
NAMES: Final[Mapping[str, str]] = {
    "org": "orgs",
    "academicSession": "academicSessions",
    "course": "courses",
    "class": "classes",
    "user": "users",
    "demographics": "demographics",
    "enrollment": "enrollments",
}


def export(
    roster: Roster,
    *,
    version: Version,
    seed: int,
    gone: Mapping[str, Sequence[Record]] | None = None,
) -> bytes:
    """The roster as a package: rows in any order, columns nobody fills left out or not.

    With `gone` it is a delta: what is told of, and last contents of what is deleted.
    """
    chance = random.Random(seed)
    files: dict[str, bytes] = {}
    for entity, name in NAMES.items():
        rows = [_row(entity, record, version) for record in roster.get(entity, {}).values()]
        rows += [
            {**_row(entity, record, version), "status": "tobedeleted"}
            for record in (gone or {}).get(entity, ())
        ]
        if gone is not None:
            rows = [{"status": "active", "dateLastModified": "2026-09-01", **row} for row in rows]
        if rows:
            files[name] = _written(name, version, rows, chance)
    if version == "1.2" and "users" in files:
        people = [*roster["user"].values(), *(gone or {}).get("user", ())]
        files["roles"] = _written("roles", version, _role_rows(people), chance)
    stated = dict.fromkeys(files, "bulk" if gone is None else "delta")
    return package(
        {
            "manifest.csv": manifest(version, stated),
            **{f"{name}.csv": content for name, content in files.items()},
        }
    )


def _written(name: str, version: Version, rows: list[Row], chance: random.Random) -> bytes:
    columns = USERS_12 if (name, version) == ("users", "1.2") else COLUMNS.get(name, USERS)
    filled = {column for row in rows for column, value in row.items() if value}
    more = sorted(column for column in filled if column.startswith("metadata."))
    kept = [
        column
        for column in (*columns, *more)
        if column in NEEDED or column in filled or chance.random() < 0.5
    ]
    chance.shuffle(rows)
    made = io.StringIO()
    writer = csv.DictWriter(made, kept, restval="", quoting=chance.choice(QUOTING))
    writer.writeheader()
    writer.writerows(rows)
    return made.getvalue().encode()


QUOTING: Final = (csv.QUOTE_MINIMAL, csv.QUOTE_ALL)


def _row(entity: str, record: Record, version: Version) -> Row:
    row = {
        "sourcedId": record["sourcedId"],
        **{f"metadata.{name}": value for name, value in record.get("metadata", {}).items()},
        **_ROWS[entity](record),
    }
    if entity == "user" and version == "1.1":
        row |= {
            "orgSourcedIds": ",".join(role["org"]["sourcedId"] for role in record["roles"]),
            "role": record["roles"][0]["role"],
        }
    return {name: value for name, value in row.items() if value}


def _texts(record: Record, *names: str) -> Row:
    return {name: str(record[name]) for name in names if name in record}


def _truths(record: Record, *names: str) -> Row:
    return {name: str(record[name]).lower() for name in names if name in record}


def _lists(record: Record, *names: str) -> Row:
    return {name: ",".join(record[name]) for name in names if name in record}


def _one(record: Record, name: str) -> str:
    return record[name]["sourcedId"] if name in record else ""


def _many(record: Record, name: str) -> str:
    return ",".join(one["sourcedId"] for one in record.get(name, ()))


def _org(record: Record) -> Row:
    return {
        **_texts(record, "name", "type", "identifier"),
        "parentSourcedId": _one(record, "parent"),
    }


def _session(record: Record) -> Row:
    return {
        **_texts(record, "title", "type", "startDate", "endDate", "schoolYear"),
        "parentSourcedId": _one(record, "parent"),
    }


def _course(record: Record) -> Row:
    return {
        **_texts(record, "title", "courseCode"),
        **_lists(record, "grades", "subjects", "subjectCodes"),
        "schoolYearSourcedId": _one(record, "schoolYear"),
        "orgSourcedId": _one(record, "org"),
    }


def _class(record: Record) -> Row:
    return {
        **_texts(record, "title", "classCode", "classType", "location"),
        **_lists(record, "grades", "subjects", "subjectCodes", "periods"),
        "courseSourcedId": _one(record, "course"),
        "schoolSourcedId": _one(record, "school"),
        "termSourcedIds": _many(record, "terms"),
    }


def _user(record: Record) -> Row:
    return {
        **_texts(
            record, "username", "givenName", "familyName", "middleName", "identifier", "email",
            "sms", "phone", "pronouns", "userMasterIdentifier", "preferredMiddleName",
        ),
        **_truths(record, "enabledUser"),
        **_lists(record, "grades"),
        "preferredGivenName": record.get("preferredFirstName", ""),
        "preferredFamilyName": record.get("preferredLastName", ""),
        "userIds": ",".join(
            f"{{{one['type']}:{one['identifier']}}}" for one in record.get("userIds", ())
        ),
        "agentSourcedIds": _many(record, "agents"),
        "primaryOrgSourcedId": _one(record, "primaryOrg"),
        "password": "never-to-be-kept",
    }  # fmt: skip


def _demographics(record: Record) -> Row:
    return {**_texts(record, "birthDate", "sex", *PLACES), **_truths(record, *RACES)}


def _enrollment(record: Record) -> Row:
    return {
        **_texts(record, "role", "beginDate", "endDate"),
        **_truths(record, "primary"),
        "classSourcedId": _one(record, "class"),
        "schoolSourcedId": _one(record, "school"),
        "userSourcedId": _one(record, "user"),
    }


def _role_rows(people: Sequence[Record]) -> list[Row]:
    return [
        {
            **_texts(role, "roleType", "role", "beginDate", "endDate"),
            "sourcedId": f"{person['sourcedId']}-{number}",
            "userSourcedId": person["sourcedId"],
            "orgSourcedId": role["org"]["sourcedId"],
        }
        for person in people
        for number, role in enumerate(person["roles"])
    ]


_ROWS: Final[Mapping[str, Callable[[Record], Row]]] = {
    "org": _org,
    "academicSession": _session,
    "course": _course,
    "class": _class,
    "user": _user,
    "demographics": _demographics,
    "enrollment": _enrollment,
}


# Text as it can stand in a cell: no blanks around it, for those mean nothing; a quote, a comma and
# a line end inside it are the writer's task.
TEXT = (
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=12)
    .map(str.strip)
    .filter(bool)
)
ITEM = TEXT.filter(lambda text: "," not in text and not set("{}:") & set(text))
DAY = st.dates().map(str)
TRUTH = st.booleans()
_IDS: Final = {entity: [f"{entity}-{n}" for n in range(3)] for entity in NAMES}


def _ref(entity: str) -> st.SearchStrategy[Record]:
    return st.sampled_from(_IDS[entity]).map(lambda one: {"sourcedId": one, "type": entity})


def _refs(entity: str) -> st.SearchStrategy[list[Record]]:
    chosen = st.sets(st.sampled_from(_IDS[entity]), min_size=1)
    return chosen.map(lambda ids: [{"sourcedId": one, "type": entity} for one in sorted(ids)])


def _fields(needed: Mapping[str, Any], optional: Mapping[str, Any]) -> st.SearchStrategy[Record]:
    metadata = st.dictionaries(
        st.text("abcdefghijklmnopqrstuvwxyz.", min_size=1, max_size=6), TEXT, min_size=1, max_size=2
    )
    return st.fixed_dictionaries(dict(needed), optional={**optional, "metadata": metadata})


ITEMS = st.lists(ITEM, min_size=1, max_size=3)
_USER_ID = st.tuples(ITEM, ITEM)
USER_IDS = st.sets(_USER_ID, min_size=1, max_size=2).map(
    lambda pairs: [{"type": kind, "identifier": one} for kind, one in sorted(pairs)]
)
_ROLES_BOTH: Final = ("aide", "guardian", "parent", "proctor", "relative", "student", "teacher")


def _roles_11(person: Record) -> st.SearchStrategy[Record]:
    def made(pair: tuple[str, set[str]]) -> Record:
        role, orgs = pair
        at = [{"sourcedId": org, "type": "org"} for org in sorted(orgs)]
        roles = [{"roleType": "primary", "role": role, "org": org} for org in at]
        return {**person, "roles": roles}

    orgs = st.sets(st.sampled_from(_IDS["org"]), min_size=1)
    return st.tuples(st.sampled_from(_ROLES_BOTH), orgs).map(made)


_ROLE_12 = st.fixed_dictionaries(
    {
        "roleType": st.sampled_from(["primary", "secondary"]),
        "role": st.sampled_from([*_ROLES_BOTH, "principal", "ext:coach"]),
        "org": _ref("org"),
    },
    optional={"beginDate": DAY, "endDate": DAY},
)


def _role_order(role: Record) -> tuple[str, ...]:
    return (
        role["roleType"], role["org"]["sourcedId"], role["role"], str(role.get("beginDate")),
        str(role.get("endDate")),
    )  # fmt: skip


def _roles_12(person: Record) -> st.SearchStrategy[Record]:
    roles = st.lists(_ROLE_12, min_size=1, max_size=3)
    return roles.map(lambda found: {**person, "roles": sorted(found, key=_role_order)})


_PERSON_11: Final = {
    "userIds": USER_IDS, "middleName": TEXT, "identifier": TEXT, "email": TEXT, "sms": TEXT,
    "phone": TEXT, "agents": _refs("user"), "grades": ITEMS,
}  # fmt: skip
_PERSON_12: Final = {
    **_PERSON_11, "pronouns": TEXT, "userMasterIdentifier": TEXT, "preferredFirstName": TEXT,
    "preferredMiddleName": TEXT, "preferredLastName": TEXT, "primaryOrg": _ref("org"),
}  # fmt: skip


def _users(version: Version) -> st.SearchStrategy[Record]:
    needed = {"enabledUser": TRUTH, "username": TEXT, "givenName": TEXT, "familyName": TEXT}
    if version == "1.1":
        return _fields(needed, _PERSON_11).flatmap(_roles_11)
    return _fields(needed, _PERSON_12).flatmap(_roles_12)


_OTHERS: Final[Mapping[str, st.SearchStrategy[Record]]] = {
    "org": _fields(
        {"name": TEXT, "type": st.sampled_from(["school", "district"]), "identifier": TEXT},
        {"parent": _ref("org")},
    ),
    "academicSession": _fields(
        {
            "title": TEXT,
            "type": st.sampled_from(["term", "semester", "schoolYear"]),
            "startDate": DAY,
            "endDate": DAY,
            "schoolYear": st.integers(2000, 2099).map(str),
        },
        {"parent": _ref("academicSession")},
    ),
    "course": _fields(
        {"title": TEXT, "courseCode": TEXT},
        {
            "schoolYear": _ref("academicSession"),
            "org": _ref("org"),
            "grades": ITEMS,
            "subjects": ITEMS,
            "subjectCodes": ITEMS,
        },
    ),
    "class": _fields(
        {
            "title": TEXT,
            "course": _ref("course"),
            "school": _ref("org"),
            "terms": _refs("academicSession"),
        },
        {
            "classCode": TEXT,
            "classType": st.sampled_from(["homeroom", "scheduled"]),
            "location": TEXT,
            "grades": ITEMS,
            "subjects": ITEMS,
            "subjectCodes": ITEMS,
            "periods": ITEMS,
        },
    ),
    "demographics": _fields(
        {},
        {
            "birthDate": DAY,
            "sex": st.sampled_from(["male", "female", "other"]),
            **dict.fromkeys(RACES, TRUTH),
            **dict.fromkeys(PLACES, TEXT),
        },
    ),
    "enrollment": _fields(
        {
            "class": _ref("class"),
            "school": _ref("org"),
            "user": _ref("user"),
            "role": st.sampled_from(["student", "teacher", "proctor"]),
        },
        {"primary": TRUTH, "beginDate": DAY, "endDate": DAY},
    ),
}


def rosters(version: Version) -> st.SearchStrategy[Roster]:
    """Up to three records of each kind; orgs, classes, users and enrollments are never empty."""

    def collection(entity: str) -> st.SearchStrategy[Mapping[str, Record]]:
        fields = _users(version) if entity == "user" else _OTHERS[entity]
        of = "user" if entity == "demographics" else entity
        some = 0 if entity in ("academicSession", "course", "demographics") else 1
        named = st.dictionaries(st.sampled_from(_IDS[of]), fields, min_size=some)
        return named.map(
            lambda found: {one: {"sourcedId": one, **record} for one, record in found.items()}
        )

    return st.fixed_dictionaries({entity: collection(entity) for entity in NAMES})
