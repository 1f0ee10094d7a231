"""A district of two schools that several sources know, and a plain model of who speaks for what.

The sources are `a`, `b` and `hr`, which only adds to others. They know the same people by a state
id; classes, enrollments and courses are each source's own.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import orjson

from roster_common.runtime.database import Database
from roster_common.testkit.clock import FixedClock
from sis_ingest.adapters.postgres.authority import PostgresAuthorityDesk
from sis_ingest.domain.changes import Cause, Change
from sis_ingest.domain.deliveries import Place
from sis_ingest.domain.entities import IMPORT_ORDER, Entity
from sis_ingest.domain.flips import Order
from sis_ingest.domain.records import Record, canonical, content_hash, to_bytes
from sis_ingest.domain.references import IdKey
from sis_ingest.domain.snapshots import Chunk, Collection, RawRow, Rows, StagedRow
from sis_ingest.ports.sources import Source
from sis_ingest.usecases.flip_authority import FlipAuthority, Flipped, NotFlipped
from sis_ingest.usecases.keep_flip import KeepFlip
from sis_ingest.usecases.keep_hold import KeepHold
from sis_ingest.usecases.settle_flip import SettleFlip
from sis_ingest.usecases.weigh_flip import WeighFlip
from tests.support.truth import Truth

SOURCES: Final = ("a", "b", "hr")
SCHOOLS: Final = ("s1", "s2")
ENTITIES: Final[tuple[Entity, ...]] = ("user", "demographics", "class", "enrollment", "course")
# (entity, number): what one source may know.
Key = tuple[Entity, int]
# (school, words): what it says of it.
Saying = tuple[str, str]


def outside(source: str, key: Key) -> str:
    """The source's own id of a record."""
    kind = "user" if key[0] == "demographics" else key[0]
    return f"{source}-{kind}-{key[1]}"


def record(source: str, key: Key, saying: Saying) -> Record:
    """The record as its source words it; the words, a date, stand where `words` finds them."""
    school, words = saying
    own = {"sourcedId": outside(source, key)}
    place = {"sourcedId": f"{source}-{school}"}
    match key[0]:
        case "user":
            role = {"roleType": "primary", "role": "student", "org": place}
            state = {"userMasterIdentifier": f"state-{key[1]}"}
            name = {"givenName": words, "familyName": "Byron"}
            return {**own, **state, **name, "enabledUser": True, "roles": [role]}
        case "demographics":
            return {**own, "cityOfBirth": words}
        case "class":
            course = {"sourcedId": outside(source, ("course", key[1]))}
            terms = [{"sourcedId": f"{source}-term"}]
            return {**own, "title": words, "school": place, "course": course, "terms": terms}
        case "enrollment":
            person = {"sourcedId": outside(source, ("user", key[1]))}
            group = {"sourcedId": outside(source, ("class", key[1]))}
            whom = {"user": person, "class": group, "school": place}
            return {**own, **whom, "role": "student", "beginDate": words}
        case _:
            # A code that two sources share would make their courses one (ADR 0014).
            return {**own, "title": words, "courseCode": own["sourcedId"], "org": place}


def words(found: Mapping[str, Any]) -> str:
    """What a resolved record says."""
    (said,) = (found[n] for n in ("givenName", "cityOfBirth", "title", "beginDate") if n in found)
    return str(said)


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """`ports.OpenSnapshot`: everything that a source knows, whole."""

    source: str
    known: Mapping[Key, Saying]
    warnings: tuple[()] = ()
    unpacked_bytes: int = 1

    @property
    def collections(self) -> Sequence[Collection]:
        """Each of them, also where it is empty."""
        return [
            Collection(entity=entity, file=f"{entity}.csv", mode="bulk")
            for entity in IMPORT_ORDER
            if entity in ENTITIES
        ]

    def chunks(self, collection: Collection, *, rows: int) -> Iterator[Chunk]:
        """All rows at once."""
        assert rows > len(self.known)
        keys = [key for key in self.known if key[0] == collection.entity]
        if keys:
            yield Chunk(
                rows=tuple(self._row(number, key) for number, key in enumerate(keys, start=2)),
                problems=(),
                bytes_read=1,
            )

    def read(self, _collection: Collection, rows: Sequence[RawRow]) -> Rows:
        """Each row as its record."""
        return Rows(good=tuple(self._good(row) for row in rows), refused=())

    def close(self) -> None:
        """Nothing to give back."""

    def _row(self, number: int, key: Key) -> RawRow:
        raw = orjson.dumps([key, self.known[key]])
        return RawRow(
            row=number,
            external_id=outside(self.source, key),
            raw_hash=content_hash(raw),
            cells=key,
        )

    def _good(self, row: RawRow) -> StagedRow:
        body = to_bytes(canonical(record(self.source, row.cells, self.known[row.cells])))
        return StagedRow(
            row=row.row,
            external_id=row.external_id,
            sort_key="",
            content_hash=content_hash(body),
            deleted=False,
            body=body,
            raw_hash=row.raw_hash,
        )


@dataclass(slots=True, kw_only=True)
class ManySources:
    """One district, what its sources know, and what the house made of it."""

    database: Database
    number: int
    clock: FixedClock = field(default_factory=FixedClock)

    @property
    def district(self) -> str:
        """Its own id."""
        return f"d{self.number}"

    def place(self, source: str) -> Place:
        """Where a source's records stand."""
        return Place(district_id=self.district, source_id=f"{source}{self.number}")

    def truth(self, source: str) -> Truth:
        """The source on its real database."""
        return Truth(
            database=self.database,
            place=self.place(source),
            clock=self.clock,
            supplements=frozenset({self.place("hr").source_id}),
        )

    async def begin(self) -> None:
        """All sources mean the same two schools, and know them."""
        for source in SOURCES:
            truth = self.truth(source)
            async with truth.units.begin("apply") as unit:
                await unit.lock_district(self.district)
                ids: dict[IdKey, str] = {("org", f"{source}-{one}"): one for one in SCHOOLS}
                await unit.crosswalk.link(
                    self.place(source), ids, rules=dict.fromkeys(ids, "test"), now=self.clock.now()
                )
            await truth.tell([self._school(source, one) for one in SCHOOLS])

    def _school(self, source: str, school: str) -> Change:
        names = {"name": school, "type": "school", "identifier": school}
        content = canonical({"sourcedId": f"{source}-{school}", **names})
        return self._change(source, "org", f"{source}-{school}", content, self.clock.now())

    async def lay_down(self, sources: Mapping[str, str]) -> None:
        """Authority as it stands from now on, before anything is known."""
        await (await self.database.pool()).executemany(
            "INSERT INTO sis_ingest.authority VALUES ($1, $2, $3, now(), 'test')",
            [(self.district, place, self.place(one).source_id) for place, one in sources.items()],
        )

    async def flip(
        self, place: str, source: str | None, *, dry_run: bool = False
    ) -> Flipped | NotFlipped:
        """Authority over a place passes on, and is settled unless it waits."""
        flip, _ = self._flips()
        order = Order(
            district_id=self.district,
            school_id=place,
            source_id=None if source is None else self.place(source).source_id,
        )
        self.clock.advance(1)
        done = await flip(order, subject="ada", correlation_id="flip", dry_run=dry_run)
        await self.settle()
        return done

    async def settle(self) -> None:
        """Whatever may be done of flips is done."""
        _, settle = self._flips()
        while (due := await settle.next()) is not None:
            await settle(due)

    def _flips(self) -> tuple[FlipAuthority, SettleFlip]:
        truth = self.truth("a")
        units, weigh = truth.units, WeighFlip(units=truth.units)
        keep = KeepFlip(
            clock=self.clock,
            keep=KeepHold(clock=self.clock, ids=truth.ids),
        )
        flip = FlipAuthority(
            units=units,
            clock=self.clock,
            ids=truth.ids,
            sources=self,
            weigh=weigh,
            keep=keep,
            poke=lambda: None,
        )
        desk = PostgresAuthorityDesk(self.database)
        settle = SettleFlip(
            units=units, desk=desk, clock=self.clock, ids=truth.ids, weigh=weigh, keep=keep
        )
        return flip, settle

    def get(self, source_id: str) -> Source | None:
        """`ports.Sources`: the three of this district."""
        ids = {self.place(source).source_id: source for source in SOURCES}
        if source_id not in ids:
            return None
        return Source(
            place=self.place(ids[source_id]),
            kind="memory",
            secrets=(),
            webhook=None,
            snapshot=None,
            supplement=ids[source_id] == "hr",
        )

    def all(self) -> Sequence[Source]:
        """`ports.Sources`."""
        return [one for s in SOURCES if (one := self.get(self.place(s).source_id)) is not None]

    def change(self, source: str, key: Key, saying: Saying | None, *, at: datetime) -> Change:
        """A change as a webhook brings it; `saying` None deletes."""
        content = None if saying is None else canonical(record(source, key, saying))
        return self._change(source, key[0], outside(source, key), content, at)

    def _change(
        self, source: str, entity: Entity, name: str, content: Record | None, at: datetime
    ) -> Change:
        delivery_id = self.truth(source).ids.new_id()
        return Change(
            entity=entity,
            external_id=name,
            record=content,
            content_hash=b"" if content is None else content_hash(to_bytes(content)),
            deleted=content is None,
            version=None,
            occurred_at=at,
            cause=Cause(correlation_id="webhook", delivery_id=delivery_id, origin="webhook"),
        )

    async def tell(self, source: str, changes: Sequence[Change]) -> None:
        """Changes of one source, together."""
        self.clock.advance(1)
        await self.truth(source).tell(changes)

    async def state(self, source: str, known: Mapping[Key, Saying]) -> None:
        """Everything a source knows, as one whole file."""
        self.clock.advance(1)
        run = await self.truth(source).file(Listing(source=source, known=known))
        assert run.state == "completed", run.reason
        assert not run.report.holds

    async def published(self) -> dict[tuple[str, str], str]:
        """What everybody else knows: words by entity and id of ours."""
        rows = await self._fetch(
            "SELECT entity, entity_id, data FROM sis_ingest.resolved_record"
            " WHERE district_id = $1 AND NOT deleted AND entity <> 'org'"
        )
        return {(r["entity"], r["entity_id"]): words(orjson.loads(r["data"])) for r in rows}

    async def told(self) -> dict[tuple[str, str], str]:
        """The same as who listens to the events makes of them."""
        rows = await self._fetch(
            "SELECT headers->>'ce_type' AS type, value FROM log.event"
            " WHERE headers->>'ce_tenantid' = $1 AND topic = 'sis.changes'"
            ' ORDER BY partition, "offset"'
        )
        known: dict[tuple[str, str], str] = {}
        for row in rows:
            data, kind = orjson.loads(row["value"]), row["type"].split(".")
            if kind[2] == "org":
                continue
            if kind[3] == "upserted":
                known[kind[2], data["record"]["sourcedId"]] = words(data["record"])
            elif kind[3] == "tobedeleted":
                # Nobody is told that something went of which they were never told; of a merge they
                # are told after its going, too.
                gone = known.pop((kind[2], data["sourcedId"]), None)
                assert gone is not None or data["reason"] == "merged"
        return known

    async def expected(
        self, known: Mapping[str, Mapping[Key, Saying]], sources: Mapping[str, str]
    ) -> dict[tuple[str, str], str]:
        """The model: what should be published once the sources know `known`."""
        meant, since = await self._meanings()
        found: dict[tuple[str, str], str] = {}
        for key in {key for one in known.values() for key in one}:
            groups: dict[str, list[str]] = {}
            for source in SOURCES:
                if key in known[source]:
                    groups.setdefault(meant[outside(source, key)], []).append(source)
            for ones in groups.values():
                who = _model_speaker(key, ones, known, sources, since)
                if who is not None:
                    found[key[0], meant[outside(who, key)]] = known[who][key][1]
        return found

    async def _meanings(self) -> tuple[dict[str, str], dict[str, datetime]]:
        rows = await self._fetch(
            "SELECT external_id, entity_id, valid_from FROM sis_ingest.crosswalk"
            " WHERE district_id = $1 AND valid_to IS NULL"
        )
        return (
            {row["external_id"]: row["entity_id"] for row in rows},
            {row["external_id"]: row["valid_from"] for row in rows},
        )

    async def _fetch(self, sql: str) -> Sequence[Any]:
        found: Sequence[Any] = await (await self.database.pool()).fetch(sql, self.district)
        return found


def _model_speaker(
    key: Key,
    ones: Sequence[str],
    known: Mapping[str, Mapping[Key, Saying]],
    sources: Mapping[str, str],
    since: Mapping[str, datetime],
) -> str | None:
    """ADR 0018 in the plainest words."""

    def ruler(source: str) -> str | None:
        at = key if key[0] != "demographics" else ("user", key[1])
        no_place = key[0] == "course" or at not in known[source]
        place = "" if no_place else known[source][at][0]
        return sources.get(place, sources.get(""))

    full = [one for one in ones if one != "hr"]
    rulers = {ruler(one) for one in full}
    may = [one for one in full if one in rulers or ruler(one) is None]
    for better in (
        [one for one in may if ruler(one) in (one, None)] or may,
        [one for one in ones if one == "hr"],
    ):
        if better:
            default = [one for one in better if one == sources.get("")]
            return min(default or better, key=lambda one: since[outside(one, key)])
    return None
