"""The rows that a grant of schools or rules sees, as a FROM clause: what is in its scopes as it is,
and what has left them, as it was last seen there. A whole-district grant never comes here.

Driven by the memberships of the grant's scopes, never by the district's objects. A row's stamp is
the later of its own and the one with which it entered the view, so that whoever asks by a watermark
sees it come in. Source: blueprint, invariant 7.
"""

from typing import Final

from roster_publisher.adapters.postgres.columns import PUBLISHED
from roster_publisher.adapters.postgres.statements import Statement
from roster_publisher.domain.queries import CollectionQuery

_STAMP: Final = """to_char(v.since_stamp AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')"""
# The stamp in the text is the 24 characters behind its name, which `base` holds once unescaped.
_RESTAMPED: Final = f"""
    CASE WHEN v.since_stamp > r.stamp
         THEN overlay(r.base PLACING {_STAMP}
                      FROM position('"dateLastModified":"' IN r.base) + 20 FOR 24)
         ELSE r.base END AS base
"""
_REST: Final = ", ".join(f"r.{name}" for name in PUBLISHED if name != "base")
_INSIDE: Final = f"""
    r.sourced_id, {_REST}, {_RESTAMPED}, greatest(r.stamp, v.since_stamp) AS stamp
"""
# What a body says of others is as of when it came into the view, if that was later than its text.
_AS_OF: Final = "greatest({}, v.since_rev) AS revision"
_ENTERS: Final = "WHERE k.lasting IS NULL OR k.lasting < k.since_rev"
# Scopes whose ids are merged; the text and the plan of a statement grow with each.
_MOST_MERGED: Final = 64
_ALL: Final = 2**62
_LEFT: Final = f"r.sourced_id, {_REST}, r.base, r.stamp"


def viewed_rows(  # house: no-district — `mine` begins with it
    query: CollectionQuery,
    statement: Statement,
    *,
    revision: str | None,
    after: str | None,
    sourced_id: str | None,
    within: str | None,
    found: str | None = None,
    paged: bool = False,
) -> str:
    """A FROM clause whose rows are called `o`; ids come in order. Binds district and scopes.

    `within` is a select of the only ids that are wanted; `found` one of those that are looked at,
    in place of all that are the grant's. `paged`: the first few rows will do.
    """
    district, mine = _mine(query, statement, revision)
    found = found or _delta(query, statement, mine, revision)
    if sourced_id is not None:
        found = f'SELECT {sourced_id}::text COLLATE "C" AS sourced_id'
    scopes = len(query.grant.scope_ids)
    if found is None and within is None and scopes == 1:
        standing = _standing_in_one(mine, revision, after)
    elif found is None and within is not None and query.touched_since is not None:
        # May be as many as the view has: looked up one by one, not compared with one another.
        found = f'SELECT DISTINCT w.id COLLATE "C" AS sourced_id FROM ({within}) AS w(id)'
        if after is not None:
            found = f"SELECT i.sourced_id FROM ({found}) AS i WHERE i.sourced_id > {after}"
        standing = _standing(found, mine, revision)
    elif found is None and within is None and paged and 1 < scopes <= _MOST_MERGED:
        standing = _standing(_members_in_order(query, statement, revision, after), mine, revision)
    else:
        found = found or (
            f"SELECT DISTINCT m.sourced_id FROM roster_publisher.scope_member m WHERE {mine}"
        )
        if after is not None:
            found = f"SELECT i.sourced_id FROM ({found}) AS i WHERE i.sourced_id > {after}"
        if within is not None:
            found = (
                f"SELECT n.sourced_id FROM ({found}) AS n WHERE n.sourced_id = ANY(ARRAY({within}))"
            )
        standing = _standing(found, mine, revision)
    return f"""
        {standing}
        CROSS JOIN LATERAL (
            {_versions(query.collection.entity, district, revision)}
        ) AS o
    """


def _members_in_order(  # house: no-district — `_of_scope` begins with it
    query: CollectionQuery, statement: Statement, revision: str | None, after: str | None
) -> str:
    """A select of the ids behind `after` that are or were in any of the grant's scopes.

    The planner merges selects that come ordered out of the primary key, one for each scope, and
    stops with the page. Out of all scopes at once it sorts what is left of them for each page, or
    reads the whole district up to their first id, which is far where ids begin with their school.
    """
    district, ids = statement.bind(query.grant.district_id), list(query.grant.scope_ids)
    via = f"= ANY({statement.bind(ids)}::text[])"
    behind = "" if after is None else f" AND m.sourced_id > {after}"
    each = " UNION ALL ".join(
        f"""(SELECT m.sourced_id FROM roster_publisher.scope_member m
             WHERE {_of_scope(query, district, f"= {statement.bind(one)}", via, revision)}{behind}
             ORDER BY m.sourced_id)"""
        for one in ids
    )
    # With a limit, however high, it expects that not all of them are wanted.
    return f"""SELECT DISTINCT m.sourced_id FROM ({each}) AS m
               ORDER BY m.sourced_id LIMIT (SELECT {_ALL})"""


def _standing(found: str, mine: str, revision: str | None) -> str:  # house: no-district — in `mine`
    """How each id `i` of `found` stands to the view, as `v`.

    A record is in the view while any membership lasts; it entered where none lasted before.
    """
    until = _until(revision)
    return f"""
        (SELECT * FROM ({found}) AS f ORDER BY f.sourced_id) AS i
        CROSS JOIN LATERAL (
            SELECT bool_or(k.until_rev IS NULL) AS inside, max(k.until_rev) AS left_rev,
                   max(k.since_rev) FILTER ({_ENTERS}) AS since_rev,
                   max(k.since_stamp) FILTER ({_ENTERS}) AS since_stamp
            FROM (
                SELECT m.since_rev, m.since_stamp, {until} AS until_rev,
                       max(coalesce({until}, 9223372036854775807)) OVER (
                           ORDER BY m.since_rev ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
                       ) AS lasting
                FROM roster_publisher.scope_member m
                WHERE {mine} AND m.sourced_id = i.sourced_id OFFSET 0) AS k
        ) AS v
    """


def _standing_in_one(  # house: no-district — `mine` begins with it
    mine: str, revision: str | None, after: str | None
) -> str:
    """The same for all ids of a single scope: one reading of its index, in order.

    In one scope no membership lasts over another, so the last one decides.
    """
    behind = "" if after is None else f" AND m.sourced_id > {after}"
    return f"""
        (SELECT m.sourced_id, bool_or({_until(revision)} IS NULL) AS inside,
                max({_until(revision)}) AS left_rev, max(m.since_rev) AS since_rev,
                max(m.since_stamp) AS since_stamp
         FROM roster_publisher.scope_member m WHERE {mine}{behind}
         GROUP BY m.sourced_id ORDER BY m.sourced_id) AS i
        CROSS JOIN LATERAL (
            SELECT i.inside, i.left_rev, i.since_rev, i.since_stamp) AS v
    """


def count_viewed(  # house: no-district — `mine` begins with it
    query: CollectionQuery, statement: Statement, *, revision: str
) -> str:
    """A select of how many rows an unfiltered query has at `revision`; reads index entries only.

    Whatever is in the view has a version there: memberships begin and end with publications.
    """
    district, mine = _mine(query, statement, revision)
    return f"""
        SELECT count(*) FROM (
            SELECT m.sourced_id, bool_or({_until(revision)} IS NULL) AS inside,
                   max({_until(revision)}) AS left_rev
            FROM roster_publisher.scope_member m WHERE {mine} GROUP BY m.sourced_id) AS v
        WHERE v.inside OR EXISTS (
            SELECT 1 FROM roster_publisher.last_seen r
            WHERE r.district_id = {district} AND r.entity = '{query.collection.entity}'
              AND r.sourced_id = v.sourced_id AND r.left_rev = v.left_rev
              AND {_still(revision)})
    """


def own_memberships(query: CollectionQuery, statement: Statement) -> str:
    """What makes a membership `m` one of the grant's, now or once. Binds district and schools."""
    return _mine(query, statement, None)[1]


def in_view(  # house: no-district — `mine` begins with it
    query: CollectionQuery, statement: Statement, row: str, *, revision: str | None
) -> str:
    """What makes a record `row` of the query's entity one that is in the view and has not left."""
    _, mine = _mine(query, statement, revision)
    return f"""
        EXISTS (SELECT FROM roster_publisher.scope_member m
                WHERE {mine} AND m.sourced_id = {row}.sourced_id AND {_until(revision)} IS NULL)
    """


def _mine(query: CollectionQuery, statement: Statement, revision: str | None) -> tuple[str, str]:
    """The district's placeholder, and what makes a membership `m` one of the grant's.

    A single scope is compared and not listed: only then does the index give ids in their order.
    """
    district = statement.bind(query.grant.district_id)
    ids = list(query.grant.scope_ids)
    scope = (
        f"= {statement.bind(ids[0])}" if len(ids) == 1 else f"= ANY({statement.bind(ids)}::text[])"
    )
    return district, _of_scope(query, district, scope, scope, revision)


def _of_scope(
    query: CollectionQuery, district: str, scope: str, via: str, revision: str | None
) -> str:
    """What makes a membership `m` one of the query's entity in a scope, by way of `via`."""
    mine = f"""m.district_id = {district} AND m.scope_id {scope}
               AND m.entity = '{query.collection.entity}' AND m.via_id {via}"""
    return mine if revision is None else f"{mine} AND m.since_rev <= {revision}"


def _until(revision: str | None) -> str:
    if revision is None:
        return "m.until_rev"
    return f"CASE WHEN m.until_rev <= {revision} THEN m.until_rev END"


def _still(revision: str | None) -> str:
    """What makes a row `r` of last_seen one that is not purged."""
    if revision is None:
        return "r.gone_rev IS NULL"
    return f"(r.gone_rev IS NULL OR r.gone_rev > {revision})"


def _versions(  # house: no-district — `at` begins with it
    entity: str, district: str, revision: str | None
) -> str:
    """The version of a record `i` that its standing `v` shows: at most one row."""
    at = f"r.district_id = {district} AND r.entity = '{entity}' AND r.sourced_id = i.sourced_id"
    as_of = "" if revision is None else f" AND r.revision <= {revision}"
    versions = [
        f"""SELECT {_INSIDE}, {_AS_OF.format("r.revision")} FROM roster_publisher.object r
            WHERE v.inside AND {at} AND r.shown{as_of}""",
        f"""SELECT {_LEFT}, {_AS_OF.format("r.revision")} FROM roster_publisher.last_seen r
            WHERE NOT v.inside AND {at} AND r.left_rev = v.left_rev AND {_still(revision)}""",
    ]
    if revision is not None:
        versions.append(
            f"""SELECT {_INSIDE}, {_AS_OF.format("r.rev_from")}
                FROM roster_publisher.object_history r
                WHERE v.inside AND {at} AND r.rev_from <= {revision} AND r.rev_to > {revision}"""
        )
    return " UNION ALL ".join(f"({version})" for version in versions)


def _delta(
    query: CollectionQuery,
    statement: Statement,
    mine: str,
    revision: str | None,
) -> str | None:
    """Ids that can be behind a watermark: what was written, came or went since; None without one.

    A version is never stamped later than what replaced it, so the newest stamps are enough, but
    for rows that are gone from the store since `revision`.
    """
    since = query.filter.since if query.filter is not None else None
    changed = query.grant.since_stamp
    # Behind the grant's own moment is all that it shows.
    if since is None or (changed is not None and since <= changed):
        return None
    entity = query.collection.entity
    mark = statement.bind(since)
    lane = statement.bind(f"{query.grant.district_id}/{entity}")
    gone = (
        ""
        if revision is None
        else f"""
        UNION SELECT h.sourced_id FROM roster_publisher.object_history h
        WHERE h.district_id || '/' || h.entity = {lane} AND h.rev_to > {revision}"""
    )
    # house: no-district — `lane` and `mine` begin with it
    return f"""
        SELECT w.sourced_id FROM roster_publisher.object w
        WHERE w.district_id || '/' || w.entity = {lane} AND w.stamp >= {mark}
        UNION SELECT m.sourced_id FROM roster_publisher.scope_member m
        WHERE {mine} AND (m.since_stamp >= {mark} OR m.until_stamp >= {mark}){gone}"""
