"""Builders of OneRoster 1.2 records as they stand on the log; each shows only what matters."""

from typing import Any

Record = dict[str, Any]


def ref(kind: str, sourced_id: str) -> Record:
    """A reference without `href`."""
    return {"sourcedId": sourced_id, "type": kind}


def org(sourced_id: str, **more: Any) -> Record:
    """A school unless said otherwise."""
    return {
        "sourcedId": sourced_id,
        "name": f"School {sourced_id}",
        "type": "school",
        "identifier": sourced_id,
    } | more


def session(sourced_id: str, **more: Any) -> Record:
    """A term of the school year that ends in 2027."""
    return {
        "sourcedId": sourced_id,
        "title": "Autumn",
        "startDate": "2026-08-01",
        "endDate": "2027-01-15",
        "type": "term",
        "schoolYear": "2027",
    } | more


def course(sourced_id: str, **more: Any) -> Record:
    """A course of no org."""
    return {"sourcedId": sourced_id, "title": "Algebra", "courseCode": "ALG"} | more


def class_(
    sourced_id: str, *, course: str = "c1", school: str = "s1", term: str = "t1", **more: Any
) -> Record:
    """A class of one term."""
    return {
        "sourcedId": sourced_id,
        "title": f"Class {sourced_id}",
        "course": ref("course", course),
        "school": ref("org", school),
        "terms": [ref("academicSession", term)],
    } | more


def role(school: str = "s1", *, kind: str = "student", **more: Any) -> Record:
    """A primary role at a school."""
    return {"roleType": "primary", "role": kind, "org": ref("org", school)} | more


def user(sourced_id: str, *roles: Record, **more: Any) -> Record:
    """A student of s1 unless roles are given."""
    return {
        "sourcedId": sourced_id,
        "enabledUser": True,
        "givenName": "Ada",
        "familyName": "Byron",
        "roles": list(roles) or [role()],
    } | more


def enrollment(
    sourced_id: str, *, user: str, class_id: str = "k1", school: str = "s1", **more: Any
) -> Record:
    """A student in a class."""
    return {
        "sourcedId": sourced_id,
        "user": ref("user", user),
        "class": ref("class", class_id),
        "school": ref("org", school),
        "role": "student",
    } | more


def demographics(sourced_id: str, **more: Any) -> Record:
    """Somebody's birthday."""
    return {"sourcedId": sourced_id, "birthDate": "2012-03-04"} | more


def school_world(*, users: int = 0) -> list[tuple[str, Record]]:
    """A district with one school, a term, a course, a class, and students u000, u001, …"""
    return [
        ("org", org("s1")),
        ("academicSession", session("t1")),
        ("course", course("c1")),
        ("class", class_("k1")),
        *(("user", user(f"u{n:03d}")) for n in range(users)),
    ]
