"""Which rows are in a sub-collection: what makes an object one of its parent's, at a revision.

A class has whom an enrolment brings, a school what names it, a term what lies in it. Links count
while they are active and where the grant sees them. Ids are asked for as a set, so that nobody is
there twice, however many enrolments he has. Text comes from this module only; values are bound.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from roster_publisher.adapters.postgres.statements import Statement, written_over
from roster_publisher.adapters.postgres.view_sql import in_view
from roster_publisher.domain.collections import COLLECTIONS
from roster_publisher.domain.queries import CollectionQuery

# As the index on schools has it: a school's rows in the order of their ids.
_LANE: Final = "{0}.district_id || '/' || {0}.entity || '/' || {0}.school_id"
# What a session `e` calls its children. Stored text holds a control character where the host goes,
# which is no JSON.
_CHILDREN: Final = """
    jsonb_path_query(('{"":0' || replace(e.refs, chr(26), '') || '}')::jsonb,
                     '$.children[*].sourcedId') #>> '{}'
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """A sub-collection's query at a revision, a placeholder; None is the newest."""

    query: CollectionQuery
    statement: Statement
    revision: str | None

    @property
    def parent_id(self) -> str:
        return self.query.parents[-1].sourced_id

    def lane(self, entity: str) -> str:
        """The placeholder of what `_LANE` gives for rows of the parent, a school."""
        return self.statement.bind(f"{self.query.grant.district_id}/{entity}/{self.parent_id}")

    def versions(self, entity: str, column: str, where: str, *, seen_as: str | None = None) -> str:
        """A select of `column` of rows `e` of `entity` that meet `where`.

        With `seen_as`, a core collection, only of active ones that the grant sees.
        """
        of = f"e.district_id = {self.statement.bind(self.query.grant.district_id)}"
        where = f"{of} AND e.entity = '{entity}' AND {where}"
        if seen_as is not None:
            where += " AND e.status = 'active'"
            links = CollectionQuery(grant=self.query.grant, collection=COLLECTIONS[seen_as])
            if links.is_scoped:
                where += f" AND {in_view(links, self.statement, 'e', revision=self.revision)}"
        # house: no-district — `where` begins with it
        newest = f"SELECT {column} FROM roster_publisher.object e WHERE {where} AND e.shown"
        if self.revision is None:
            return newest
        then = written_over(
            "e",
            self.revision,
            self.statement,
            district=self.query.grant.district_id,
            entity=entity,
        )
        # house: no-district — `where` begins with it
        return f"""
            {newest} AND e.revision <= {self.revision}
            UNION ALL
            SELECT {column} FROM roster_publisher.object_history e WHERE {where} AND {then}
        """


def ids_within(query: CollectionQuery, statement: Statement, *, revision: str | None) -> str | None:
    """A select of ids beside which nothing is in the query's sub-collection; None for all ids.

    Ids may come twice, and ones that `condition_within` refuses may be among them.
    """
    rule = _IDS.get(query.collection.path)
    if rule is None:
        return None
    return rule(_Asked(query=query, statement=statement, revision=revision))


def condition_within(
    query: CollectionQuery, statement: Statement, *, revision: str | None
) -> str | None:
    """What a row `o` of the query's sub-collection meets besides being among its ids."""
    rule = _CONDITIONS.get(query.collection.path)
    if rule is None:
        return None
    return rule(_Asked(query=query, statement=statement, revision=revision))


def _enrolled(role: str) -> Callable[[_Asked], str]:
    """Who has an enrolment of this role in the class."""

    def ids(asked: _Asked) -> str:
        where = f"e.class_id = {asked.statement.bind(asked.parent_id)} AND e.kind = '{role}'"
        return asked.versions("enrollment", "e.user_id", where, seen_as="enrollments")

    return ids


def _attended(role: str | None) -> Callable[[_Asked], str]:
    """The classes in which the person has an enrolment, of this role if one is given."""

    def ids(asked: _Asked) -> str:
        where = f"e.user_id = {asked.statement.bind(asked.parent_id)}"
        if role is not None:
            where += f" AND e.kind = '{role}'"
        return asked.versions("enrollment", "e.class_id", where, seen_as="enrollments")

    return ids


def _members(asked: _Asked) -> str | None:
    """What was ever in the school: for views, which would else be read whole, and for people."""
    query, statement = asked.query, asked.statement
    if not query.is_scoped and query.collection.entity != "user":
        return None
    return f"""
        SELECT m.sourced_id FROM roster_publisher.scope_member m
        WHERE m.district_id = {statement.bind(query.grant.district_id)}
          AND m.scope_id = {statement.bind(asked.parent_id)}
          AND m.entity = '{query.collection.entity}'
    """


def _courses(asked: _Asked) -> str:
    """The school's own courses, and those that its classes are of."""
    own = f"{_LANE.format('e')} = {asked.lane('course')}"
    return f"""
        {asked.versions("course", "e.sourced_id", own)}
        UNION ALL
        {_of_classes(asked, "e.course_id")}
    """


def _terms(asked: _Asked) -> str:
    """The sessions in which the school's classes are held, wholly or in part."""
    return _around(asked, _of_classes(asked, "unnest(e.term_ids) AS id"))


def _of_classes(asked: _Asked, column: str) -> str:
    own = f"{_LANE.format('e')} = {asked.lane('class')}"
    return asked.versions("class", column, own, seen_as="classes")


def _in_term(asked: _Asked) -> str:
    """The sessions whose parent the term is, and those that it calls its children."""
    term = asked.statement.bind(asked.parent_id)
    return f"""
        {asked.versions("academicSession", "e.sourced_id", f"e.parent_id = {term}")}
        UNION ALL
        {asked.versions("academicSession", _CHILDREN, f"e.sourced_id = {term}")}
    """


def _around(asked: _Asked, named: str) -> str:
    """The ids of sessions that `named` selects, of all that these are parts of, and of all their
    parts: a class that is held in half of a term is held in the term, and one that is held for the
    year is held in each of its terms. Some dozens of sessions a district.
    """
    parents = asked.versions("academicSession", "e.parent_id, e.sourced_id", "e.parent_id <> ''")
    children = asked.versions("academicSession", f"e.sourced_id, {_CHILDREN}", "true")
    # house: no-district — each of its parts begins with it
    return f"""
        WITH RECURSIVE part AS MATERIALIZED (
            SELECT p.whole COLLATE "C" AS whole, p.id COLLATE "C" AS id
            FROM ({parents} UNION ALL {children}) AS p(whole, id)),
        named AS MATERIALIZED (SELECT DISTINCT n.id COLLATE "C" AS id FROM ({named}) AS n(id)),
        outward AS (
            SELECT id FROM named UNION SELECT p.whole FROM outward w JOIN part p ON p.id = w.id),
        inward AS (
            SELECT id FROM named UNION SELECT p.id FROM inward w JOIN part p ON p.whole = w.id)
        SELECT id FROM outward UNION SELECT id FROM inward
    """


def _enrolments(asked: _Asked) -> str | None:
    """For views, which would else be read whole: also what has left them shows its class."""
    if not asked.query.is_scoped:
        return None
    of_class = f"e.class_id = {asked.statement.bind(asked.parent_id)}"
    return f"""
        {asked.versions("enrollment", "e.sourced_id", of_class)}
        UNION ALL
        SELECT l.sourced_id FROM roster_publisher.last_seen l
        WHERE l.district_id = {asked.statement.bind(asked.query.grant.district_id)}
          AND l.entity = 'enrollment' AND l.class_id = {asked.statement.bind(asked.parent_id)}
    """


def _has(column: str) -> Callable[[_Asked], str]:
    return lambda asked: f"o.{column} = {asked.statement.bind(asked.parent_id)}"


def _of_school(asked: _Asked) -> str:
    if asked.query.is_scoped:
        return _has("school_id")(asked)
    # The lane is for the index; the column keeps apart what one text of two ids would not.
    lane = f"{_LANE.format('o')} = {asked.lane(asked.query.collection.entity)}"
    return f"{lane} AND {_has('school_id')(asked)}"


def _in_role(role: str) -> Callable[[_Asked], str]:
    return lambda asked: (
        f"o.roles_at && {asked.statement.bind([f'{role}@{asked.parent_id}'])}::text[]"
    )


def _held_in_term(asked: _Asked) -> str:
    term = f"SELECT {asked.statement.bind(asked.parent_id)}::text"
    return f"o.term_ids && ARRAY({_around(asked, term)})"


_IDS: Final[Mapping[str, Callable[[_Asked], str | None]]] = {
    "classes/{}/students": _enrolled("student"),
    "classes/{}/teachers": _enrolled("teacher"),
    "terms/{}/gradingPeriods": _in_term,
    "users/{}/classes": _attended(None),
    "students/{}/classes": _attended("student"),
    "teachers/{}/classes": _attended("teacher"),
    "schools/{}/classes": _members,
    "schools/{}/courses": _courses,
    "schools/{}/enrollments": _members,
    "schools/{}/students": _members,
    "schools/{}/teachers": _members,
    "schools/{}/terms": _terms,
    "schools/{}/classes/{}/enrollments": _enrolments,
    "schools/{}/classes/{}/students": _enrolled("student"),
    "schools/{}/classes/{}/teachers": _enrolled("teacher"),
}
_CONDITIONS: Final[Mapping[str, Callable[[_Asked], str]]] = {
    "courses/{}/classes": _has("course_id"),
    "terms/{}/classes": _held_in_term,
    "schools/{}/classes": _of_school,
    "schools/{}/enrollments": _of_school,
    "schools/{}/students": _in_role("student"),
    "schools/{}/teachers": _in_role("teacher"),
    "schools/{}/classes/{}/enrollments": _has("class_id"),
}
