"""Which records a package's delta tells although they were not written: what they point at ended,
or came back, so that they cannot be in a package any more, or can again.

Targets are found by their stamps, and what points at them by the indexes that publishing uses, but
for orgs, sessions, courses and agents, of which little ends. More ids than needed do no harm: each
is told as it is. Text comes from this module only; values are bound. Source: ADR 0027.
"""

from datetime import datetime
from functools import cached_property

from roster_publisher.adapters.postgres.statements import Statement
from roster_publisher.adapters.postgres.view_sql import own_memberships
from roster_publisher.domain.access import Grant
from roster_publisher.domain.collections import COLLECTIONS
from roster_publisher.domain.queries import CollectionQuery
from roster_publisher.domain.records import Entity


class Touched:
    """Selects of ids, for one statement. `revision` is a placeholder."""

    def __init__(
        self, grant: Grant, statement: Statement, *, since: datetime, revision: str
    ) -> None:
        self._grant = grant
        self._statement = statement
        self._since = statement.bind(since)
        self._revision = revision

    @cached_property
    def _district(self) -> str:
        # Bound where it is needed: a value that no text names has no type.
        return self._statement.bind(self._grant.district_id)

    def ids(self, entity: Entity) -> str:
        """A select of the ids; what was written over since `revision` is always among them."""
        pointing = {
            "org": self._orgs,
            "academicSession": self._sessions,
            "course": self._courses,
            "class": self._classes,
            "user": self._users,
            "demographics": lambda: self._turned("user"),
            "enrollment": self._enrollments,
        }[entity]()
        lane = self._statement.bind(f"{self._grant.district_id}/{entity}")
        return f"""
            {pointing}
            UNION SELECT h.sourced_id FROM roster_publisher.object_history h
            WHERE h.district_id || '/' || h.entity = {lane} AND h.rev_to > {self._revision}"""

    def _turned(self, entity: Entity, *, written: bool = False) -> str:
        """Records that ended or came back, or went out of the grant's view or came into it; or
        that were `written` at all.
        """
        turned = f"f.status = 'tobedeleted' OR f.revived_stamp > {self._since}"
        lane = self._statement.bind(f"{self._grant.district_id}/{entity}")
        # house: no-district — `lane` and `mine` begin with it
        select = f"""
            SELECT f.sourced_id FROM roster_publisher.object f
            WHERE f.district_id || '/' || f.entity = {lane} AND f.stamp > {self._since}
              AND ({"true" if written else turned})"""
        query = _all_of(entity, self._grant)
        if not query.is_scoped:
            return select
        mine = own_memberships(query, self._statement)
        # house: no-district — `mine` begins with it
        return f"""{select}
            UNION SELECT m.sourced_id FROM roster_publisher.scope_member m
            WHERE {mine} AND (m.since_stamp > {self._since} OR m.until_stamp > {self._since})"""

    def _pointing(self, entity: Entity, condition: str) -> str:
        return f"""
            SELECT d.sourced_id FROM roster_publisher.object d
            WHERE d.district_id = {self._district} AND d.entity = '{entity}' AND ({condition})"""

    def _list(self, entity: Entity) -> str:
        return f"ARRAY({self._turned(entity)})"

    def _orgs(self) -> str:
        return self._pointing("org", f"d.parent_id = ANY({self._list('org')})")

    def _sessions(self) -> str:
        return self._pointing(
            "academicSession", f"d.parent_id = ANY({self._list('academicSession')})"
        )

    def _courses(self) -> str:
        years = self._list("academicSession")
        return self._pointing(
            "course",
            f"""d.school_id = ANY({self._list("org")})
                OR d.record -> 'schoolYear' ->> 'sourcedId' = ANY({years})""",
        )

    def _classes(self) -> str:
        return self._pointing(
            "class",
            f"""d.course_id = ANY({self._list("course")}) OR d.school_id = ANY({self._list("org")})
                OR d.term_ids && {self._list("academicSession")}""",
        )

    def _users(self) -> str:
        orgs, people = self._list("org"), self._list("user")
        # Agents are in no column; only users who have some are looked into, and only if need be.
        at = f"d.scope_ids && {orgs} OR d.record -> 'primaryOrg' ->> 'sourcedId' = ANY({orgs})"
        return f"""{self._pointing("user", at)}
            UNION SELECT a.sourced_id FROM (
                SELECT d.sourced_id, d.record FROM roster_publisher.object d
                WHERE d.district_id = {self._district} AND d.entity = 'user'
                  AND d.record ? 'agents' AND cardinality({people}) > 0 OFFSET 0) AS a
            WHERE EXISTS (SELECT FROM jsonb_array_elements(a.record -> 'agents') AS e
                          WHERE e ->> 'sourcedId' = ANY({people}))"""

    def _enrollments(self) -> str:
        # A class that was written may point at something else, and so stand no more, or again.
        written = self._turned("class", written=True)
        classes = f"{written} UNION {self._classes()}"
        return (
            " UNION ".join(
                f"""SELECT e.sourced_id FROM ({found}) AS t(id)
                CROSS JOIN LATERAL (
                    SELECT d.sourced_id FROM roster_publisher.object d
                    WHERE d.district_id = {self._district} AND d.{column} = t.id
                      AND d.entity = 'enrollment' OFFSET 0) AS e"""
                for found, column in ((self._turned("user"), "user_id"), (classes, "class_id"))
            )
            + f" UNION {self._at_schools()}"
        )

    def _at_schools(self) -> str:
        lane = self._statement.bind(f"{self._grant.district_id}/enrollment/")
        return f"""
            SELECT e.sourced_id FROM ({self._turned("org")}) AS t(id)
            CROSS JOIN LATERAL (
                SELECT d.sourced_id FROM roster_publisher.object d
                WHERE d.district_id || '/' || d.entity || '/' || d.school_id = {lane} || t.id
                  AND d.school_id IS NOT NULL OFFSET 0) AS e"""


def _all_of(entity: Entity, grant: Grant) -> CollectionQuery:
    (collection,) = (
        one for one in COLLECTIONS.values() if one.entity == entity and one.subset is None
    )
    return CollectionQuery(grant=grant, collection=collection)
