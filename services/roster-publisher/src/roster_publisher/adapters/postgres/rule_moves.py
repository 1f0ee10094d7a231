"""Keeps the part of `scope_member` whose scopes are rules: who comes in, who leaves, who follows.

`object.rule_ids` says what an org, a class or a user matches by itself. From it follow, in turn:
enrolments whose class is in, if their person has a role at a school that the rule may show; people
with an active enrolment in; demographics where their user is. A deleted record stays where it was
deleted, and comes in only where something active points at it. `via_id` is the scope itself.

Runs inside the publishing transaction, behind the write of the batch. Only what changed what it
points at, its roles or its rules is looked at, so a change of anything else costs nothing here.
Each statement is driven by the batch, by LATERAL selects with a bound (ADR 3). Source: ADR 24.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import asyncpg

from roster_publisher.adapters.postgres.columns import SEPARATOR
from roster_publisher.adapters.postgres.last_seen import keep_last
from roster_publisher.domain.records import Key, ref_id
from roster_publisher.ports.publishing import Publication, Rematched

# Memberships of a record in rules as they stand. Few rows; index on the record.
_OPEN: Final = """
    SELECT m.scope_id FROM roster_publisher.scope_member m
    WHERE m.district_id = $1 AND m.until_rev IS NULL AND starts_with(m.scope_id, 'rule:')
"""

# What each kind of record should be in; `t` is the record asked for. Few rows; primary keys.
_OWN: Final = """
    SELECT t.entity, t.sourced_id, s.id AS scope_id
    FROM (SELECT rule_ids FROM roster_publisher.object
          WHERE district_id = $1 AND entity = t.entity AND sourced_id = t.sourced_id
          LIMIT 1) AS o, unnest(o.rule_ids) AS s(id)
"""
_SEATS: Final = """
    SELECT t.entity, t.sourced_id, s.id AS scope_id
    FROM (SELECT user_id, class_id, school_id, status FROM roster_publisher.object
          WHERE district_id = $1 AND entity = 'enrollment' AND sourced_id = t.sourced_id
          LIMIT 1) AS o
    CROSS JOIN LATERAL (
        SELECT school_id, rule_ids FROM roster_publisher.object
        WHERE district_id = $1 AND entity = 'class' AND sourced_id = o.class_id LIMIT 1) AS k
    CROSS JOIN LATERAL (
        SELECT scope_ids FROM roster_publisher.object
        WHERE district_id = $1 AND entity = 'user' AND sourced_id = o.user_id LIMIT 1) AS u
    CROSS JOIN LATERAL unnest(k.rule_ids) AS s(id)
    WHERE k.school_id = o.school_id AND (k.school_id = ANY(u.scope_ids) OR EXISTS (
        SELECT 1 FROM roster_publisher.scope c
        WHERE c.district_id = $1 AND c.scope_id = s.id COLLATE "C"
          AND (c.school_ids IS NULL OR c.school_ids && u.scope_ids)))
"""
_NEW_SEATS: Final = f"{_SEATS} AND o.status = 'active'"
# Here `t` is an enrolment, and who is to be in is its person.
_SEATED: Final = f"""
    SELECT 'user' AS entity, o.user_id AS sourced_id, s.scope_id
    FROM (SELECT user_id FROM roster_publisher.object
          WHERE district_id = $1 AND entity = 'enrollment' AND sourced_id = t.sourced_id
            AND status = 'active' LIMIT 1) AS o
    CROSS JOIN LATERAL (
        {_OPEN} AND m.entity = 'enrollment' AND m.sourced_id = t.sourced_id OFFSET 0) AS s
"""
_PEOPLE: Final = f"""
    {_OWN}
    UNION ALL
    SELECT t.entity, t.sourced_id, s.scope_id
    FROM (SELECT sourced_id FROM roster_publisher.object
          WHERE district_id = $1 AND user_id = t.sourced_id AND entity = 'enrollment'
            AND shown AND status = 'active' OFFSET 0) AS e
    CROSS JOIN LATERAL (
        {_OPEN} AND m.entity = 'enrollment' AND m.sourced_id = e.sourced_id OFFSET 0) AS s
"""
_WITH_THEIR_USER: Final = f"""
    SELECT t.entity, t.sourced_id, s.scope_id
    FROM ({_OPEN} AND m.entity = 'user' AND m.sourced_id = t.sourced_id OFFSET 0) AS s
"""


_TOUCHED: Final = """
    SELECT t.entity, t.sourced_id COLLATE "C" AS sourced_id
    FROM unnest($2::text[], $3::text[]) AS t(entity, sourced_id)
"""


def _leave(wanted: str) -> str:
    """Ends memberships of $2, $3 that are not `wanted`. Few rows; index on the record."""
    return f"""
    WITH touched AS ({_TOUCHED})
    UPDATE roster_publisher.scope_member SET until_rev = $4, until_stamp = $5
    WHERE ctid = ANY (ARRAY(
        SELECT m.place FROM touched t CROSS JOIN LATERAL (
            SELECT ctid AS place, scope_id FROM roster_publisher.scope_member
            WHERE district_id = $1 AND entity = t.entity AND sourced_id = t.sourced_id
              AND until_rev IS NULL AND starts_with(scope_id, 'rule:') OFFSET 0) AS m
        LEFT JOIN LATERAL (
            SELECT w.scope_id FROM ({wanted}) AS w WHERE w.scope_id = m.scope_id LIMIT 1
        ) AS w ON true
        WHERE w.scope_id IS NULL))
    RETURNING entity, sourced_id
    """


def _enter(wanted: str) -> str:
    """Begins what is `wanted` of $2, $3 and not there. A row per (record, rule); index."""
    return f"""
    WITH touched AS ({_TOUCHED})
    INSERT INTO roster_publisher.scope_member
        (district_id, entity, sourced_id, scope_id, via_id, since_rev, since_stamp)
    SELECT DISTINCT $1, w.entity, w.sourced_id, w.scope_id, w.scope_id, $4::bigint,
           $5::timestamptz
    FROM touched t CROSS JOIN LATERAL ({wanted} OFFSET 0) AS w
    LEFT JOIN LATERAL (
        SELECT m.since_rev FROM roster_publisher.scope_member m
        WHERE m.district_id = $1 AND m.entity = w.entity AND m.sourced_id = w.sourced_id
          AND m.scope_id = w.scope_id AND m.until_rev IS NULL LIMIT 1) AS m ON true
    WHERE m.since_rev IS NULL
    ON CONFLICT DO NOTHING
    RETURNING entity, sourced_id
    """


_LEAVE_OWN: Final = _leave(_OWN)
_LEAVE_SEATS: Final = _leave(_SEATS)
_LEAVE_PEOPLE: Final = _leave(_PEOPLE)
_LEAVE_WITH_USER: Final = _leave(_WITH_THEIR_USER)
_ENTER_OWN: Final = _enter(_OWN)
_ENTER_SEATS: Final = _enter(_NEW_SEATS)
_ENTER_SEATED: Final = _enter(_SEATED)
_ENTER_WITH_USER: Final = _enter(_WITH_THEIR_USER)

# A class whose course says otherwise than before; what is shown of it stays. Primary key.
_REMATCH: Final = """
    UPDATE roster_publisher.object o SET rule_ids = string_to_array(w.rules, E'\\x1f')
    FROM unnest($2::text[], $3::text[]) AS w(id, rules)
    WHERE o.district_id = $1 AND o.entity = 'class' AND o.sourced_id = w.id COLLATE "C"
"""

# Active enrolments of people who moved and of classes that others see. About ten rows a user,
# thirty a class; indexes.
_FOLLOWING: Final = """
    SELECT e.sourced_id, e.user_id, 'user' AS leader, u.id AS leader_id
    FROM unnest($2::text[]) AS u(id) CROSS JOIN LATERAL (
        SELECT sourced_id, user_id FROM roster_publisher.object
        WHERE district_id = $1 AND user_id = u.id COLLATE "C" AND entity = 'enrollment'
          AND shown AND status = 'active' OFFSET 0) AS e
    UNION ALL
    SELECT e.sourced_id, e.user_id, 'class', k.id
    FROM unnest($3::text[]) AS k(id) CROSS JOIN LATERAL (
        SELECT sourced_id, user_id FROM roster_publisher.object
        WHERE district_id = $1 AND class_id = k.id COLLATE "C" AND entity = 'enrollment'
          AND shown AND status = 'active' OFFSET 0) AS e
"""
# Which of these are there and active. Primary key.
_ACTIVE: Final = """
    SELECT t.id FROM unnest($3::text[]) AS t(id) CROSS JOIN LATERAL (
        SELECT 1 FROM roster_publisher.object
        WHERE district_id = $1 AND entity = $2 AND sourced_id = t.id COLLATE "C"
          AND shown AND status = 'active' LIMIT 1) AS o
"""


async def move_rules(
    driver: asyncpg.Connection,
    district_id: str,
    publications: Sequence[Publication],
    rematched: Sequence[Rematched],
    *,
    revision: int,
    stamp: datetime,
) -> set[tuple[str, str]]:
    """Bring the memberships in rules in line with `publications`, written just before, and with
    the classes `rematched`. Returns courses with the scopes that they are to come into.
    """
    move = _Move(driver=driver, district_id=district_id, revision=revision, stamp=stamp)
    classes = await move.own(publications, rematched)
    await move.seats([p for p in publications if p.draft.key.entity == "enrollment"], classes)
    await move.people([p for p in publications if p.draft.key.entity == "user"])
    await move.demographics([p for p in publications if p.draft.key.entity == "demographics"])
    await keep_last(driver, district_id, move.lost, revision=revision, stamp=stamp)
    return {
        *(
            (one.draft.record["course"]["sourcedId"], scope)
            for one in publications
            if one.draft.key.entity == "class"
            for scope in one.rule_ids
        ),
        *((one.course_id, scope) for one in rematched for scope in one.rule_ids),
    }


async def bring_in(
    driver: asyncpg.Connection,
    district_id: str,
    keys: Iterable[Key],
    *,
    revision: int,
    stamp: datetime,
) -> int:
    """Let orgs, classes and users in whose `rule_ids` have grown, and what follows them; returns
    how many memberships began. Does not commit.
    """
    move = _Move(
        driver=driver, district_id=district_id, revision=revision, stamp=stamp, only_in=True
    )
    causes = dict.fromkeys(keys, "")
    for key in await move.enter(_ENTER_OWN, causes):
        if key.entity == "user":
            move.moved[key.sourced_id] = ""
    await move.seats([], {key.sourced_id: "" for key in causes if key.entity == "class"})
    await move.people([])
    await move.demographics([])
    return move.entered


@dataclass(slots=True, kw_only=True)
class _Move:
    """One commit's moves, step by step. Records come with the correlation id of their cause.

    With `only_in` nothing is looked at for whether it leaves. `lost` is what some rule lost;
    `moving` are people at other orgs than before; `losing` and `moved` people who may leave, and
    who did or came; `gaining` enrolments that may bring their people in.
    """

    driver: asyncpg.Connection
    district_id: str
    revision: int
    stamp: datetime
    only_in: bool = False
    entered: int = 0
    lost: dict[Key, str] = field(default_factory=dict)
    moving: dict[str, str] = field(default_factory=dict)
    losing: dict[str, str] = field(default_factory=dict)
    gaining: dict[Key, tuple[str, str]] = field(default_factory=dict)
    moved: dict[str, str] = field(default_factory=dict)

    async def own(
        self, publications: Sequence[Publication], rematched: Sequence[Rematched]
    ) -> Mapping[str, str]:
        """Move orgs, classes and users by what they match themselves; returns the classes whose
        enrolments follow.
        """
        changed = {_key(p): p for p in publications if _rules_before(p) != p.rule_ids}
        other = {Key("class", one.class_id): one.cause.correlation_id for one in rematched}
        if rematched:
            await self.driver.execute(
                _REMATCH,
                self.district_id,
                [one.class_id for one in rematched],
                [SEPARATOR.join(sorted(one.rule_ids)) for one in rematched],
            )
        causes = {key: _cause(p) for key, p in changed.items()} | other
        await self._leave(_LEAVE_OWN, {k: c for k, c in causes.items() if k.entity != "user"})
        for key in await self.enter(_ENTER_OWN, causes):
            if key.entity == "user":
                self.moved[key.sourced_id] = causes[key]
        schools = {_key(p): _cause(p) for p in publications if _moved(p)}
        self.moving = {k.sourced_id: c for k, c in schools.items() if k.entity == "user"}
        return {k.sourced_id: c for k, c in (causes | schools).items() if k.entity == "class"}

    async def seats(self, written: Sequence[Publication], classes: Mapping[str, str]) -> None:
        """Move enrolments that point elsewhere, or whose class or person moved."""
        causes: dict[Key, str] = {}
        people: dict[Key, str] = {}
        for one in filter(_seat_changed, written):
            causes[_key(one)] = _cause(one)
            people[_key(one)] = ref_id(one.draft.record, "user") or ""
            self.gaining[_key(one)] = (people[_key(one)], _cause(one))
            if not _is_fresh(one) and one.before is not None:
                self.losing[one.before.user_id or ""] = _cause(one)
        for key, person, cause in await self._following(classes):
            people.setdefault(key, person)
            causes.setdefault(key, cause)
        for key in await self._leave(_LEAVE_SEATS, causes):
            self.losing[people[key]] = causes[key]
        for key in await self.enter(_ENTER_SEATS, causes):
            self.gaining[key] = (people[key], causes[key])

    async def people(self, written: Sequence[Publication]) -> None:
        """Move people whose last enrolment went, or whose first one came."""
        here = {one.draft.key.sourced_id for one in written}
        away = await self._active("user", self.losing.keys() - here)
        losing = {who: cause for who, cause in self.losing.items() if who in away}
        for one in written:
            if not _is_fresh(one) and (_person_changed(one) or _key(one).sourced_id in self.losing):
                losing[_key(one).sourced_id] = _cause(one)
        left = await self._leave(_LEAVE_PEOPLE, {Key("user", w): c for w, c in losing.items()})
        self.moved |= {key.sourced_id: losing[key.sourced_id] for key in left}
        seats = {key: cause for key, (_, cause) in self.gaining.items()}
        because = dict(self.gaining.values())
        for key in await self.enter(_ENTER_SEATED, seats):
            self.moved[key.sourced_id] = because[key.sourced_id]

    async def demographics(self, written: Sequence[Publication]) -> None:
        """Move demographics along with their user."""
        causes = {_key(one): _cause(one) for one in written}
        others = self.moved.keys() - {key.sourced_id for key in causes}
        for who in await self._active("demographics", others):
            causes[Key("demographics", who)] = self.moved[who]
        await self._leave(_LEAVE_WITH_USER, causes)
        await self.enter(_ENTER_WITH_USER, causes)

    async def _following(self, classes: Mapping[str, str]) -> Sequence[tuple[Key, str, str]]:
        if not classes and not self.moving:
            return ()
        rows = await self.driver.fetch(
            _FOLLOWING, self.district_id, sorted(self.moving), sorted(classes)
        )
        leaders = {"user": self.moving, "class": classes}
        return [(Key("enrollment", row[0]), row[1], leaders[row[2]][row[3]]) for row in rows]

    async def _active(self, entity: str, ids: Collection[str]) -> frozenset[str]:
        if not ids:
            return frozenset()
        rows = await self.driver.fetch(_ACTIVE, self.district_id, entity, sorted(ids))
        return frozenset(row[0] for row in rows)

    async def _leave(self, statement: str, causes: Mapping[Key, str]) -> frozenset[Key]:
        left = frozenset() if self.only_in else frozenset(await self._run(statement, causes))
        self.lost |= {key: causes[key] for key in left}
        return left

    async def enter(self, statement: str, causes: Mapping[Key, str]) -> frozenset[Key]:
        """Begin what the statement wants for the keys; returns what came in."""
        came = await self._run(statement, causes)
        self.entered += len(came)
        return frozenset(came)

    async def _run(self, statement: str, causes: Mapping[Key, str]) -> Sequence[Key]:
        if not causes:
            return ()
        # Sorted, so that two transactions touch rows in the same order.
        keys = sorted(causes)
        rows = await self.driver.fetch(
            statement,
            self.district_id,
            [key.entity for key in keys],
            [key.sourced_id for key in keys],
            self.revision,
            self.stamp,
        )
        return [Key(row[0], row[1]) for row in rows]


def _key(one: Publication) -> Key:
    return one.draft.key


def _cause(one: Publication) -> str:
    return one.draft.cause.correlation_id


def _is_fresh(one: Publication) -> bool:
    return one.before is None or not one.before.shown


def _rules_before(one: Publication) -> frozenset[str]:
    return one.before.rule_ids if one.before is not None and one.before.shown else frozenset()


def _moved(one: Publication) -> bool:
    """Whether it was at other orgs before."""
    return one.before is not None and one.before.shown and one.before.scope_ids != one.scope_ids


def _seat_changed(one: Publication) -> bool:
    """Whether an enrolment is new, or says otherwise who is where, or is deleted."""
    before, record = one.before, one.draft.record
    if before is None or not before.shown or one.draft.status == "tobedeleted" or _moved(one):
        return True
    said = (one.draft.status, ref_id(record, "user"), ref_id(record, "class"))
    return said != (before.status, before.user_id, before.class_id)


def _person_changed(one: Publication) -> bool:
    before = one.before
    if before is None or one.draft.status == "tobedeleted" or _moved(one):
        return True
    return (before.rule_ids, before.status) != (one.rule_ids, one.draft.status)
