"""One source's truth on a real database with a clock moved by hand: courses in files and webhooks.

The use cases are the real ones; only the room that reads files is a list in memory.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson

from roster_common.contracts.envelope import Event, new_event
from roster_common.runtime.clock import Uuid7Ids
from roster_common.runtime.database import Database
from roster_common.runtime.sealing import KEY_BYTES, Seal
from roster_common.testkit.clock import FixedClock
from sis_ingest.adapters.events import EventMapper
from sis_ingest.adapters.postgres.hold_desk import PostgresHoldDesk
from sis_ingest.adapters.postgres.units import PostgresUnits
from sis_ingest.domain.changes import Cause, Change, Verdict
from sis_ingest.domain.deliveries import Place
from sis_ingest.domain.guards import Hold
from sis_ingest.domain.records import canonical, content_hash, to_bytes
from sis_ingest.domain.runs import RowRefusal, Run
from sis_ingest.domain.snapshots import Chunk, Collection, RawRow, Rows, StagedRow
from sis_ingest.ports.snapshots import OpenSnapshot, SnapshotLimits
from sis_ingest.ports.sources import Source
from sis_ingest.usecases.apply_snapshot import ApplySnapshot
from sis_ingest.usecases.decide_hold import DecideHold
from sis_ingest.usecases.guard_changes import GuardChanges
from sis_ingest.usecases.guard_snapshot import GuardSnapshot
from sis_ingest.usecases.identify import Identify
from sis_ingest.usecases.import_snapshot import ImportSnapshot
from sis_ingest.usecases.keep_hold import KeepHold
from sis_ingest.usecases.link_snapshot import LinkSnapshot
from sis_ingest.usecases.move_ids import MoveIds
from sis_ingest.usecases.recognise import Recognise
from sis_ingest.usecases.record_changes import RecordChanges
from sis_ingest.usecases.release_hold import ReleaseHold
from sis_ingest.usecases.stage_snapshot import StageSnapshot
from sis_ingest.usecases.suggest import Suggest

NAMELESS = ""


def course(course_id: str, title: str) -> dict[str, Any]:
    """A course as its source words it."""
    return {
        "sourcedId": course_id,
        "title": title,
        "courseCode": course_id,
        "org": {"sourcedId": "school-1"},
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class CourseFile:
    """`ports.OpenSnapshot` over titles by course id; a row without an id cannot be read."""

    titles: Mapping[str, str]
    bulk: bool = True
    warnings: tuple[()] = ()
    unpacked_bytes: int = 1

    @property
    def collections(self) -> Sequence[Collection]:
        """Courses alone."""
        mode = "bulk" if self.bulk else "delta"
        return (Collection(entity="course", file="courses.csv", mode=mode),)  # type: ignore[arg-type]

    def chunks(self, _collection: Collection, *, rows: int) -> Iterator[Chunk]:
        """All rows at once."""
        assert rows > len(self.titles)
        found = tuple(
            RawRow(
                row=number,
                external_id=course_id,
                raw_hash=content_hash(orjson.dumps([course_id, title])),
                cells=title,
            )
            for number, (course_id, title) in enumerate(self.titles.items(), start=2)
        )
        if found:
            yield Chunk(rows=found, problems=(), bytes_read=1)

    def read(self, _collection: Collection, rows: Sequence[RawRow]) -> Rows:
        """Each row as a course."""
        good = []
        for row in rows:
            if row.external_id != NAMELESS:
                body = to_bytes(canonical(course(row.external_id, row.cells)))
                good.append(
                    StagedRow(
                        row=row.row,
                        external_id=row.external_id,
                        sort_key="",
                        content_hash=content_hash(body),
                        deleted=False,
                        body=body,
                        raw_hash=row.raw_hash,
                    )
                )
        refused = [
            RowRefusal(file="courses.csv", row=row.row, reason="missing", field="sourcedId")
            for row in rows
            if row.external_id == NAMELESS
        ]
        return Rows(good=tuple(good), refused=tuple(refused))

    def close(self) -> None:
        """Nothing to give back."""


class _Stamp:
    """What EventMapper needs of a runtime."""

    def __init__(self, clock: FixedClock, ids: Uuid7Ids) -> None:
        self._clock = clock
        self._ids = ids

    def new_event(self, data: Any, **about: Any) -> Event:
        return new_event(
            data,
            event_id=self._ids.new_id(),
            time=self._clock.now(),
            service="sis-ingest",
            **about,
        )


@dataclass(slots=True, kw_only=True)
class Truth:
    """What one source of one district said, and what the house made of it."""

    database: Database
    place: Place
    clock: FixedClock = field(default_factory=FixedClock)
    ids: Uuid7Ids = field(default_factory=Uuid7Ids)
    gone: list[tuple[datetime, str]] = field(default_factory=list)
    told: int = 0
    supplements: frozenset[str] = frozenset()

    async def file(self, content: OpenSnapshot, *, as_of: datetime | None = None) -> Run:
        """A file that is worked through; its ended run."""
        now = self.clock.now()
        run = Run(
            run_id=self.ids.new_id(),
            delivery_id=self.ids.new_id(),
            correlation_id="file",
            place=self.place,
            state="waiting",
            origin=None,
            file_name="f",
            file_bytes=0,
            sha256="",
            received_at=now,
            as_of=as_of or now,
        )
        async with self.units.begin("store_snapshot") as unit:
            await unit.deliveries.put_file(run)
            await unit.runs.add(run)
        opening = _Opening(content)
        source = Source(
            place=self.place,
            kind="memory",
            secrets=(),
            webhook=None,
            snapshot=opening,
            supplement=False,
        )
        importer = ImportSnapshot(
            units=self.units,
            files=_NoFiles(),  # type: ignore[arg-type]
            clock=self.clock,
            limits=SnapshotLimits(),
            stage=StageSnapshot(units=self.units),
            link=LinkSnapshot(
                units=self.units,
                recognise=self._recognise(),
            ),
            apply=ApplySnapshot(
                units=self.units,
                guard=GuardSnapshot(units=self.units, clock=self.clock, keep=self._keep()),
                record_changes=self._record(),
            ),
        )
        ended = await importer(source, run)
        await self._look()
        return ended

    async def webhook(self, course_id: str, title: str | None, *, at: datetime) -> Verdict:
        """A change told alone; `title` None deletes."""
        record = None if title is None else canonical(course(course_id, title))
        change = Change(
            entity="course",
            external_id=course_id,
            record=record,
            content_hash=b"" if record is None else content_hash(to_bytes(record)),
            deleted=record is None,
            version=None,
            occurred_at=at,
            cause=Cause(correlation_id="webhook", delivery_id=self.ids.new_id(), origin="webhook"),
        )
        (verdict,) = await self.tell([change])
        return verdict

    async def tell(self, changes: Sequence[Change]) -> Sequence[Verdict]:
        """Changes told together."""
        async with self.units.begin("apply") as unit:
            await unit.lock_district(self.place.district_id)
            verdicts = await self._record()(unit, self.place, changes)
        await self._look()
        return verdicts

    async def approve_all(self) -> None:
        """Two people approve everything that waits, and it is released."""
        for hold in await self.holds():
            await self.approve(hold)
        await self.release()

    async def approve(self, hold: Hold) -> None:
        """Two people approve what they see."""
        for who in ("ada", "bea"):
            await self.decide.approve(hold, subject=who, items_hash=hold.decision.items_hash)

    async def release(self) -> None:
        """What is approved is done."""
        release = ReleaseHold(
            units=self.units, desk=self.desk, clock=self.clock, record_changes=self._record()
        )
        while (hold := await release.next()) is not None:
            await release(hold)
        await self._look()

    async def expire_due(self) -> int:
        """What nobody decided in time ends; how many."""
        return sum([await self.decide.expire(hold) for hold in await self.decide.due()])

    async def holds(self, state: str = "open") -> Sequence[Hold]:
        """Holds of the district."""
        return (await self.desk.page([self.place.district_id], None, state, limit=100, offset=0))[1]

    async def courses(self) -> dict[str, str]:
        """Title by the source's own id, of courses that are not deleted."""
        rows = await (await self.database.pool()).fetch(
            "SELECT c.external_id, r.data->>'title' AS title FROM sis_ingest.crosswalk c"
            " JOIN sis_ingest.resolved_record r ON r.district_id = $1 AND r.entity = 'course'"
            " AND r.entity_id = c.entity_id AND NOT r.deleted"
            " WHERE c.district_id = $1 AND c.source_id = $2 AND c.entity = 'course'"
            " AND c.valid_to IS NULL",
            self.place.district_id,
            self.place.source_id,
        )
        return {row["external_id"]: row["title"] for row in rows}

    async def events(self) -> int:
        """How many changes of the whole district were told so far."""
        found: int = await (await self.database.pool()).fetchval(
            "SELECT count(*) FROM log.event"
            " WHERE headers->>'ce_tenantid' = $1 AND topic = 'sis.changes'",
            self.place.district_id,
        )
        return found

    @property
    def units(self) -> PostgresUnits:
        """Transactions whose events carry the moved clock's time."""
        stamp: Any = _Stamp(self.clock, self.ids)
        return PostgresUnits(
            self.database,
            EventMapper(stamp),
            Seal([bytes(KEY_BYTES)]),
            supplements=self.supplements,
        )

    @property
    def desk(self) -> PostgresHoldDesk:
        """Reads of holds."""
        return PostgresHoldDesk(self.database)

    @property
    def decide(self) -> DecideHold:
        """The use case behind the door."""
        return DecideHold(
            units=self.units,
            desk=self.desk,
            clock=self.clock,
            keep=self._keep(),
            poke=lambda: None,
        )

    async def _look(self) -> None:
        """Notes what stands on the log since the last look, at the moved clock's time."""
        rows = await (await self.database.pool()).fetch(
            "SELECT headers->>'ce_type' AS type, headers->>'ce_subject' AS subject"
            " FROM log.event WHERE headers->>'ce_tenantid' = $1 AND topic = 'sis.changes'"
            ' ORDER BY "offset" OFFSET $2',
            self.place.district_id,
            self.told,
        )
        self.told += len(rows)
        self.gone += [
            (self.clock.now(), row["subject"]) for row in rows if "tobedeleted" in row["type"]
        ]

    def _keep(self) -> KeepHold:
        return KeepHold(clock=self.clock, ids=self.ids)

    def _recognise(self) -> Recognise:
        return Recognise(
            clock=self.clock,
            move=MoveIds(clock=self.clock, ids=self.ids),
            keep=self._keep(),
            met=lambda _outcome, _times: None,
        )

    def _record(self) -> RecordChanges:
        return RecordChanges(
            clock=self.clock,
            identify=Identify(
                clock=self.clock,
                ids=self.ids,
                recognise=self._recognise(),
                suggest=Suggest(clock=self.clock, ids=self.ids),
            ),
            guard=GuardChanges(clock=self.clock, keep=self._keep(), recognise=self._recognise()),
        )


class _Opening:
    """`ports.SnapshotReader` that has the file already."""

    def __init__(self, content: OpenSnapshot) -> None:
        self._content = content

    def open(self, _path: Path, *, limits: SnapshotLimits) -> OpenSnapshot:
        """The content, whatever the limits."""
        assert limits
        return self._content


class _NoFiles:
    """`ports.SnapshotFiles` where every file is found."""

    def path(self, name: str) -> Path:
        """Some path."""
        return Path(name)
