"""Builds the real things and joins them. Decides nothing."""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

from fastapi import FastAPI

from roster_common.holds import Limit
from roster_common.runtime.bell import Bell
from roster_common.runtime.health import Check
from roster_common.runtime.metrics import metric
from roster_common.runtime.pacing import CallPolicy
from roster_common.runtime.service import Runtime, create_app
from roster_common.runtime.trace import trace_routes
from sis_ingest.adapters.calls import HttpCalls, SignIn
from sis_ingest.adapters.drops.folder import FolderDrop
from sis_ingest.adapters.drops.packing import pack
from sis_ingest.adapters.drops.sftp import SftpDrop
from sis_ingest.adapters.events import EventMapper
from sis_ingest.adapters.files import DiskSnapshotFiles
from sis_ingest.adapters.postgres.authority import PostgresAuthorityDesk
from sis_ingest.adapters.postgres.crosswalk import PostgresCrosswalkDesk
from sis_ingest.adapters.postgres.hold_desk import PostgresHoldDesk
from sis_ingest.adapters.postgres.inbox import GroupedInbox
from sis_ingest.adapters.postgres.pulls import PostgresPullDesk
from sis_ingest.adapters.postgres.runs import PostgresRunDesk
from sis_ingest.adapters.postgres.suggestions import PostgresSuggestionDesk
from sis_ingest.adapters.postgres.tracer import PostgresTracer
from sis_ingest.adapters.postgres.units import PostgresUnits
from sis_ingest.adapters.pull_files import DiskPullFiles, PulledReader
from sis_ingest.adapters.sealing import BodySeal, read_key
from sis_ingest.domain.deliveries import Place
from sis_ingest.domain.guards import LIMITS, GuardKey
from sis_ingest.domain.schedule import Schedule
from sis_ingest.entrypoints.http.authority import authority_routes
from sis_ingest.entrypoints.http.crosswalk import crosswalk_routes
from sis_ingest.entrypoints.http.holds import hold_routes
from sis_ingest.entrypoints.http.operations import operation_routes
from sis_ingest.entrypoints.http.pulls import examination_routes, pull_routes
from sis_ingest.entrypoints.http.snapshots import snapshot_routes
from sis_ingest.entrypoints.http.suggestions import suggestion_routes
from sis_ingest.entrypoints.http.webhooks import webhook_routes
from sis_ingest.entrypoints.jobs.appliers import DeliveryApplier, SnapshotImporter
from sis_ingest.entrypoints.jobs.drops import LOOP as DROPS_LOOP
from sis_ingest.entrypoints.jobs.drops import DropWatcher, drops_check
from sis_ingest.entrypoints.jobs.flips import LOOP as SETTLE_FLIPS
from sis_ingest.entrypoints.jobs.flips import FlipSettler
from sis_ingest.entrypoints.jobs.holds import LOOP, HoldKeeper
from sis_ingest.entrypoints.jobs.pullers import HintFollower, SourcePuller
from sis_ingest.entrypoints.jobs.purge import EVERY_S as PURGE_EVERY_S
from sis_ingest.entrypoints.jobs.purge import LOOP as PURGE_LOOP
from sis_ingest.entrypoints.jobs.purge import TIMEOUT_S as PURGE_TIMEOUT_S
from sis_ingest.entrypoints.jobs.purge import Purger
from sis_ingest.ports import SnapshotLimits, Source
from sis_ingest.ports.drops import Drop
from sis_ingest.ports.pulls import Access, Pulling, PullSpec
from sis_ingest.settings import (
    DAYS,
    FolderSettings,
    PullSettings,
    Settings,
    SftpSettings,
    SourceSettings,
)
from sis_ingest.sources import KINDS
from sis_ingest.usecases.accept_delivery import AcceptDelivery
from sis_ingest.usecases.accept_snapshot import AcceptSnapshot
from sis_ingest.usecases.apply_deliveries import ApplyDeliveries
from sis_ingest.usecases.apply_snapshot import ApplySnapshot
from sis_ingest.usecases.ask_pull import AskPull
from sis_ingest.usecases.collect_drop import CollectDrop
from sis_ingest.usecases.decide_hold import DecideHold
from sis_ingest.usecases.decide_ids import DecideIds
from sis_ingest.usecases.decide_suggestion import DecideSuggestion
from sis_ingest.usecases.flip_authority import FlipAuthority
from sis_ingest.usecases.guard_changes import GuardChanges
from sis_ingest.usecases.guard_snapshot import GuardSnapshot
from sis_ingest.usecases.identify import Identify
from sis_ingest.usecases.import_snapshot import ImportSnapshot
from sis_ingest.usecases.keep_flip import KeepFlip
from sis_ingest.usecases.keep_hold import KeepHold
from sis_ingest.usecases.link_snapshot import LinkSnapshot
from sis_ingest.usecases.merge import Merge
from sis_ingest.usecases.move_ids import MoveIds
from sis_ingest.usecases.pull_source import PullSource
from sis_ingest.usecases.purge_raw import PurgeRaw
from sis_ingest.usecases.recognise import Recognise
from sis_ingest.usecases.record_changes import RecordChanges
from sis_ingest.usecases.release_hold import ReleaseHold
from sis_ingest.usecases.republish import Republish
from sis_ingest.usecases.reread import Reread
from sis_ingest.usecases.settle_flip import SettleFlip
from sis_ingest.usecases.split import Split
from sis_ingest.usecases.stage_snapshot import StageSnapshot
from sis_ingest.usecases.suggest import Suggest
from sis_ingest.usecases.undo import Undo
from sis_ingest.usecases.weigh_flip import WeighFlip

_OLDEST_WAITING_LIMIT_S = 60.0
# How many runs are at work at a time, each of another source: one may be long.
_IMPORT_LOOPS = 3


class ConfiguredSources:
    """`ports.Sources` from settings."""

    def __init__(self, settings: Iterable[SourceSettings], runtime: Runtime) -> None:
        self._sources = {source.id: _source(source, runtime) for source in settings}
        self.supplements = frozenset(
            source_id for source_id, source in self._sources.items() if source.supplement
        )

    def get(self, source_id: str) -> Source | None:
        """See the port."""
        return self._sources.get(source_id)

    def all(self) -> Iterable[Source]:
        """See the port."""
        return self._sources.values()

    def limits(self, place: Place) -> Mapping[GuardKey, Limit]:
        """The limits of a source's guards; those of ADR 0012 for one that is configured no more."""
        source = self._sources.get(place.source_id)
        return LIMITS if source is None else source.limits


def build(settings: Settings) -> FastAPI:
    """The application, ready to serve; it opens no connection before its start."""

    def wire(app: FastAPI, runtime: Runtime) -> None:
        """Add the doors, loops and checks of this service; opens nothing."""
        sources = ConfiguredSources(settings.sources, runtime)
        seal = BodySeal([read_key(key.get_secret_value()) for key in settings.body_keys])
        units = PostgresUnits(
            runtime.database, EventMapper(runtime), seal, supplements=sources.supplements
        )
        runs = PostgresRunDesk(runtime.database)
        keep = KeepHold(clock=runtime.clock, ids=runtime.ids, limits=sources.limits)
        move = MoveIds(clock=runtime.clock, ids=runtime.ids)
        recognise = Recognise(
            clock=runtime.clock,
            move=move,
            keep=keep,
            met=_count_met,
            predecessors=settings.predecessors,
        )
        record = _recording(runtime, keep, recognise)
        _add_webhooks(settings, app, runtime, units, sources, runs, record)
        _add_snapshots(settings, app, runtime, units, sources, runs, record, recognise)
        flips = Bell()
        _add_holds(app, runtime, units, record, flips)
        _add_authority(app, runtime, units, sources, flips)
        _add_pulls(settings, app, runtime, units, sources, record)
        app.include_router(
            operation_routes(
                Republish(units=units, ids=runtime.ids),
                runs.counts,
                admin=runtime.operators.require("admin"),
                viewer=runtime.operators.require("viewer"),
            )
        )

        _add_crosswalk(app, runtime, DecideIds(units=units, ids=runtime.ids, move=move))
        app.include_router(
            trace_routes(
                settings.service,
                PostgresTracer(runtime.database),
                runtime.operators.require("viewer"),
            )
        )

        async def inbox() -> Check:
            backlog: Mapping[str, Any] = await runs.backlog()
            return Check(
                ok=backlog["oldestSeconds"] < _OLDEST_WAITING_LIMIT_S, detail=dict(backlog)
            )

        runtime.health.add("inbox", inbox, critical=False)

    return create_app(settings, wire)


def _recording(runtime: Runtime, keep: KeepHold, recognise: Recognise) -> RecordChanges:
    clock, ids = runtime.clock, runtime.ids
    suggest = Suggest(clock=clock, ids=ids)
    return RecordChanges(
        clock=clock,
        guard=GuardChanges(clock=clock, keep=keep, recognise=recognise),
        identify=Identify(clock=clock, ids=ids, recognise=recognise, suggest=suggest),
    )


def _add_webhooks(
    settings: Settings,
    app: FastAPI,
    runtime: Runtime,
    units: PostgresUnits,
    sources: ConfiguredSources,
    runs: PostgresRunDesk,
    record: RecordChanges,
) -> None:
    bell = Bell()
    accept = AcceptDelivery(
        inbox=GroupedInbox(units), clock=runtime.clock, ids=runtime.ids, poke=bell.ring
    )
    app.include_router(webhook_routes(accept, sources, limit_bytes=settings.webhook_limit_bytes))
    apply = ApplyDeliveries(units=units, clock=runtime.clock, record_changes=record)
    runtime.loop("apply-deliveries", DeliveryApplier(apply, sources, runs, bell.ear()).run)


def _add_snapshots(
    settings: Settings,
    app: FastAPI,
    runtime: Runtime,
    units: PostgresUnits,
    sources: ConfiguredSources,
    runs: PostgresRunDesk,
    record: RecordChanges,
    recognise: Recognise,
) -> None:
    bell = Bell()
    files = DiskSnapshotFiles(settings.data_dir / "snapshots")
    accept = AcceptSnapshot(
        units=units,
        files=files,
        clock=runtime.clock,
        ids=runtime.ids,
        limit_bytes=settings.snapshot_limit_bytes,
        poke=bell.ring,
    )
    app.include_router(
        snapshot_routes(
            accept,
            sources,
            runs,
            operator=runtime.operators.require("operator"),
            viewer=runtime.operators.require("viewer"),
        )
    )
    importer = ImportSnapshot(
        units=units,
        files=files,
        clock=runtime.clock,
        limits=SnapshotLimits(),
        stage=StageSnapshot(units=units),
        link=LinkSnapshot(units=units, recognise=recognise),
        apply=ApplySnapshot(
            units=units,
            guard=GuardSnapshot(units=units, clock=runtime.clock, keep=record.guard.keep),
            record_changes=record,
        ),
    )
    keep = timedelta(days=settings.raw_retention_days)
    purge = PurgeRaw(units=units, files=files, clock=runtime.clock, keep=keep)
    runtime.every(PURGE_LOOP, PURGE_EVERY_S, Purger(purge), timeout_s=PURGE_TIMEOUT_S)
    loops = SnapshotImporter(importer, sources, runs)
    for number in range(1, _IMPORT_LOOPS + 1):
        runtime.loop(f"import-snapshots-{number}", loops.loop(bell.ear()))
    _add_drops(settings, runtime, units, sources, accept)


def _add_drops(
    settings: Settings,
    runtime: Runtime,
    units: PostgresUnits,
    sources: ConfiguredSources,
    accept: AcceptSnapshot,
) -> None:
    collect = CollectDrop(
        units=units, accept=accept, pack=pack, clock=runtime.clock, ids=runtime.ids
    )
    watchers = []
    for one in settings.sources:
        found, source = one.folder or one.sftp, sources.get(one.id)
        if found is None or source is None:
            continue
        watcher = DropWatcher(
            collect=collect,
            source=source,
            drop=_drop(found),
            rules=found.rules,
            every_s=found.every_seconds,
            clock=runtime.clock,
        )
        watchers.append(watcher)
        runtime.loop(f"{DROPS_LOOP}/{one.id}", watcher.run)

    async def drops() -> Check:
        return drops_check(watchers)

    if watchers:
        runtime.health.add("drops", drops, critical=False)


def _drop(settings: FolderSettings | SftpSettings) -> Drop:
    if isinstance(settings, FolderSettings):
        return FolderDrop(settings.path, move_to=settings.move_to)
    return SftpDrop(
        host=settings.host,
        port=settings.port,
        username=settings.username,
        password=None if settings.password is None else settings.password.get_secret_value(),
        key_file=settings.key_file,
        host_key=settings.host_key,
        folder=settings.folder,
        move_to=settings.move_to,
    )


def _add_crosswalk(app: FastAPI, runtime: Runtime, decide: DecideIds) -> None:
    gates = {role: runtime.operators.require(role) for role in ("viewer", "approver")}
    desk = PostgresCrosswalkDesk(runtime.database)
    suggestions = PostgresSuggestionDesk(runtime.database)
    app.include_router(suggestion_routes(DecideSuggestion(decide=decide), suggestions, **gates))
    merge, split, undo = Merge(decide=decide), Split(decide=decide), Undo(decide=decide)
    app.include_router(crosswalk_routes(merge, split, undo, desk, **gates))


def _count_met(outcome: str, times: int) -> None:
    metric("identity_matches_total").labels(outcome=outcome).inc(times)


def _add_authority(
    app: FastAPI,
    runtime: Runtime,
    units: PostgresUnits,
    sources: ConfiguredSources,
    bell: Bell,
) -> None:
    desk = PostgresAuthorityDesk(runtime.database)
    weigh, keep = WeighFlip(units=units), KeepFlip(clock=runtime.clock)
    flip = FlipAuthority(
        units=units,
        clock=runtime.clock,
        ids=runtime.ids,
        sources=sources,
        weigh=weigh,
        keep=keep,
        poke=bell.ring,
    )
    settle = SettleFlip(
        units=units, desk=desk, clock=runtime.clock, ids=runtime.ids, weigh=weigh, keep=keep
    )
    app.include_router(
        authority_routes(
            flip,
            desk,
            approver=runtime.operators.require("approver"),
            viewer=runtime.operators.require("viewer"),
        )
    )
    runtime.loop(SETTLE_FLIPS, FlipSettler(settle, bell.ear(), runtime.clock).run)


def _add_holds(
    app: FastAPI, runtime: Runtime, units: PostgresUnits, record: RecordChanges, flips: Bell
) -> None:
    bell = Bell()

    def poke() -> None:
        bell.ring()
        flips.ring()

    desk = PostgresHoldDesk(runtime.database)
    decide = DecideHold(
        units=units, desk=desk, clock=runtime.clock, keep=record.guard.keep, poke=poke
    )
    release = ReleaseHold(units=units, desk=desk, clock=runtime.clock, record_changes=record)
    app.include_router(
        hold_routes(
            decide,
            desk,
            viewer=runtime.operators.require("viewer"),
            approver=runtime.operators.require("approver"),
        )
    )
    runtime.loop(LOOP, HoldKeeper(decide, release, bell.ear(), runtime.clock).run)

    async def holds() -> Check:
        return Check(ok=True, detail=dict(await desk.figures()))

    runtime.health.add("holds", holds, critical=False)


def _add_pulls(
    settings: Settings,
    app: FastAPI,
    runtime: Runtime,
    units: PostgresUnits,
    sources: ConfiguredSources,
    record: RecordChanges,
) -> None:
    bell = Bell()
    desk = PostgresPullDesk(runtime.database)
    ask = AskPull(units=units, desk=desk, clock=runtime.clock, ids=runtime.ids, poke=bell.ring)
    pull = PullSource(
        units=units,
        pages=DiskPullFiles(settings.data_dir / "pulls"),
        files=DiskSnapshotFiles(settings.data_dir / "snapshots"),
        clock=runtime.clock,
        ids=runtime.ids,
    )
    reread = Reread(units=units, clock=runtime.clock, record_changes=record)
    app.include_router(
        pull_routes(
            ask,
            sources,
            desk,
            operator=runtime.operators.require("operator"),
            viewer=runtime.operators.require("viewer"),
        )
    )
    app.include_router(examination_routes(sources, operator=runtime.operators.require("operator")))
    for source in sources.all():
        name, pulling = source.place.source_id, source.pulling
        if pulling is None:
            continue
        puller = SourcePuller(source, pulling, ask=ask, pull=pull, desk=desk, ear=bell.ear())
        runtime.loop(f"pull:{name}", puller.run)
        if source.hints is not None:
            follower = HintFollower(source, source.hints, pulling, reread=reread, ear=Bell().ear())
            runtime.loop(f"hints:{name}", follower.run)


def _source(settings: SourceSettings, runtime: Runtime) -> Source:
    kind, files = KINDS[settings.kind], KINDS[settings.files]
    pulling = None
    if settings.pull is not None and kind.pull is not None:
        pulling = _pulling(settings, settings.pull, kind.pull, runtime)
    return Source(
        place=Place(district_id=settings.district, source_id=settings.id),
        kind=settings.kind,
        secrets=settings.plain_secrets(),
        webhook=kind.webhook if settings.secrets else None,
        snapshot=files.profiles[settings.profile] if settings.profile else files.snapshot,
        supplement=kind.supplement or files.supplement,
        pulling=pulling,
        pulled=None if pulling is None else PulledReader(pulling.spec, pulling.access),
        hints=None if pulling is None else kind.hints,
        limits=settings.all_limits(),
        expect_every_s=settings.expect_every_seconds,
    )


def _pulling(
    source: SourceSettings, settings: PullSettings, spec: PullSpec, runtime: Runtime
) -> Pulling:
    name = source.id
    access = Access(
        base_url=str(settings.base_url).rstrip("/"),
        client_id=settings.client_id,
        page_size=settings.page_size,
        options=settings.options,
        secrets=source.plain_secrets(),
    )
    token_url = None if settings.token_url is None else str(settings.token_url)
    if token_url is None and spec.token_url is not None:
        token_url = spec.token_url(access)
    runtime.http.follow(
        name,
        CallPolicy(
            read_timeout_s=60.0,
            total_timeout_s=60.0,
            max_concurrency=settings.concurrency,
            adaptive=True,
        ),
    )
    calls = HttpCalls(
        runtime.http,
        name=name,
        base_url=access.base_url,
        sign_in=SignIn(
            auth=settings.auth,
            client_id=settings.client_id,
            client_secret=settings.client_secret.get_secret_value(),
            token_url=token_url or "",
            scope="" if spec.scope is None else spec.scope(access),
        ),
        clock=runtime.clock,
    )
    return Pulling(
        access=access,
        client=spec.connect(access, calls),
        spec=spec,
        schedule=Schedule(
            zone=ZoneInfo(settings.zone),
            full_day=None if settings.full_day is None else DAYS.index(settings.full_day),
            full_at=settings.full_at,
            delta_every=None
            if settings.delta_every_seconds is None
            else timedelta(seconds=settings.delta_every_seconds),
            windows=settings.windows,
            blackouts=settings.blackouts,
        ),
    )
