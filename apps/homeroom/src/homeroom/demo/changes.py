"""What the made-up SIS says in the demo, as OneRoster 1.2 objects. Pure."""

from collections.abc import Mapping
from typing import Any

Json = dict[str, Any]


def new_student(person_id: str, *, school_id: str, grade: str) -> Json:
    """Return a user without username and e-mail: those the directory has to find."""
    return {
        "sourcedId": person_id,
        "status": "active",
        "enabledUser": "true",
        "givenName": "Marigold",
        "familyName": "Newcomb",
        "identifier": person_id.rpartition("-")[2],
        "grades": [grade],
        "roles": [{"roleType": "primary", "role": "student", "org": _org(school_id)}],
        "primaryOrg": _org(school_id),
    }


def enrollment(enrollment_id: str, *, person_id: str, class_id: str, school_id: str) -> Json:
    """Return a student's place in one class."""
    return {
        "sourcedId": enrollment_id,
        "status": "active",
        "user": {"sourcedId": person_id, "type": "user"},
        "class": {"sourcedId": class_id, "type": "class"},
        "school": _org(school_id),
        "role": "student",
    }


def renamed(user: Mapping[str, Any], *, family_name: str) -> Json:
    """Return a user as the roster serves it, with another family name and without stamps."""
    kept = {key: value for key, value in user.items() if key != "dateLastModified"}
    return {**kept, "familyName": family_name}


def moved(user: Mapping[str, Any], *, school_id: str) -> Json:
    """Return a user as the roster serves it who is a student of another school now."""
    kept = {key: value for key, value in user.items() if key != "dateLastModified"}
    role = {"roleType": "primary", "role": "student", "org": _org(school_id)}
    return {**kept, "roles": [role], "primaryOrg": _org(school_id)}


def gone(sourced_id: str) -> Json:
    """Return what a deletion must carry."""
    return {"sourcedId": sourced_id}


def _org(org_id: str) -> Json:
    return {"sourcedId": org_id, "type": "org"}
