"""Builds the real things and joins them. Decides nothing."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from fastapi import FastAPI

from roster_common.runtime.bell import Bell
from roster_common.runtime.health import Check
from roster_common.runtime.metrics import metric
from roster_common.runtime.service import Runtime, create_app
from roster_common.runtime.trace import trace_routes
from sis_ingest.adapters.drops.packing import pack
from sis_ingest.adapters.events import EventMapper
from sis_ingest.adapters.files import DiskSnapshotFiles
from sis_ingest.adapters.postgres.authority import PostgresAuthorityDesk
from sis_ingest.adapters.postgres.crosswalk import PostgresCrosswalkDesk
from sis_ingest.adapters.postgres.hold_desk import PostgresHoldDesk
from sis_ingest.adapters.postgres.inbox import GroupedInbox
from sis_ingest.adapters.postgres.pulls import PostgresPullDesk
from sis_ingest.adapters.postgres.replays import PostgresReplayDesk
from sis_ingest.adapters.postgres.runs import PostgresRunDesk
from sis_ingest.adapters.postgres.suggestions import PostgresSuggestionDesk
from sis_ingest.adapters.postgres.tracer import PostgresTracer
from sis_ingest.adapters.postgres.units import PostgresUnits
from sis_ingest.adapters.pull_files import DiskPullFiles
from sis_ingest.adapters.sealing import BodySeal, read_key
from sis_ingest.bootstrap.sources import ConfiguredSources, drop_of
from sis_ingest.domain.deliveries import Place
from sis_ingest.entrypoints.http.authority import authority_routes
from sis_ingest.entrypoints.http.crosswalk import crosswalk_routes
from sis_ingest.entrypoints.http.holds import hold_routes
from sis_ingest.entrypoints.http.operations import operation_routes
from sis_ingest.entrypoints.http.pulls import examination_routes, pull_routes
from sis_ingest.entrypoints.http.replays import replay_routes
from sis_ingest.entrypoints.http.snapshots import run_routes, snapshot_routes
from sis_ingest.entrypoints.http.suggestions import suggestion_routes
from sis_ingest.entrypoints.http.webhooks import webhook_routes
from sis_ingest.entrypoints.jobs.appliers import LOOP as APPLY_LOOP
from sis_ingest.entrypoints.jobs.appliers import DeliveryApplier, SnapshotImporter
from sis_ingest.entrypoints.jobs.drops import LOOP as DROPS_LOOP
from sis_ingest.entrypoints.jobs.drops import DropWatcher, drops_check
from sis_ingest.entrypoints.jobs.flips import LOOP as SETTLE_FLIPS
from sis_ingest.entrypoints.jobs.flips import FlipSettler
from sis_ingest.entrypoints.jobs.freshness import EVERY_S as AGES_EVERY_S
from sis_ingest.entrypoints.jobs.freshness import LOOP as AGES_LOOP
from sis_ingest.entrypoints.jobs.freshness import Freshness
from sis_ingest.entrypoints.jobs.holds import LOOP, HoldKeeper
from sis_ingest.entrypoints.jobs.pullers import HintFollower, SourcePuller, pulls_check
from sis_ingest.entrypoints.jobs.purge import EVERY_S as PURGE_EVERY_S
from sis_ingest.entrypoints.jobs.purge import LOOP as PURGE_LOOP
from sis_ingest.entrypoints.jobs.purge import TIMEOUT_S as PURGE_TIMEOUT_S
from sis_ingest.entrypoints.jobs.purge import Purger
from sis_ingest.entrypoints.jobs.replayer import LOOP as REPLAY_LOOP
from sis_ingest.entrypoints.jobs.replayer import Replayer
from sis_ingest.ports import SnapshotLimits
from sis_ingest.settings import (
    Settings,
)
from sis_ingest.usecases.accept_delivery import AcceptDelivery
from sis_ingest.usecases.accept_snapshot import AcceptSnapshot
from sis_ingest.usecases.apply_deliveries import ApplyDeliveries
from sis_ingest.usecases.apply_snapshot import ApplySnapshot
from sis_ingest.usecases.ask_pull import AskPull
from sis_ingest.usecases.ask_replay import AskReplay
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
from sis_ingest.usecases.purge_pulls import PurgePulls
from sis_ingest.usecases.purge_raw import PurgeRaw
from sis_ingest.usecases.read_hints import ReadHints
from sis_ingest.usecases.recognise import Recognise
from sis_ingest.usecases.record_changes import RecordChanges
from sis_ingest.usecases.release_hold import ReleaseHold
from sis_ingest.usecases.replay_deliveries import ReplayDeliveries
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
        accepted = Bell()
        _add_webhooks(settings, app, runtime, units, sources, runs, record, accepted)
        importer = _add_snapshots(settings, app, runtime, units, sources, runs, record, recognise)
        flips = Bell()
        _add_holds(app, runtime, units, record, flips)
        _add_authority(app, runtime, units, sources, keep, flips)
        _add_pulls(settings, app, runtime, units, sources, record, accepted)
        _add_replays(app, runtime, units, sources, record, importer)
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
        freshness = Freshness(sources, runs, runtime.clock)
        runtime.every(AGES_LOOP, AGES_EVERY_S, freshness)
        runtime.health.add("sources", freshness.check, critical=False)

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
    bell: Bell,
) -> None:
    accept = AcceptDelivery(
        inbox=GroupedInbox(units), clock=runtime.clock, ids=runtime.ids, poke=bell.ring
    )
    app.include_router(webhook_routes(accept, sources, limit_bytes=settings.webhook_limit_bytes))
    apply = ApplyDeliveries(units=units, clock=runtime.clock, record_changes=record)
    applier = DeliveryApplier(apply, sources, runs, bell.ear(), runtime.clock)
    runtime.loop(APPLY_LOOP, applier.run)


def _add_snapshots(
    settings: Settings,
    app: FastAPI,
    runtime: Runtime,
    units: PostgresUnits,
    sources: ConfiguredSources,
    runs: PostgresRunDesk,
    record: RecordChanges,
    recognise: Recognise,
) -> ImportSnapshot:
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
    app.include_router(run_routes(runs, viewer=runtime.operators.require("viewer")))
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
    purge = PurgeRaw(units=units, sources=sources, files=files, clock=runtime.clock, keep=keep)
    pulls = PurgePulls(
        units=units,
        sources=sources,
        pages=DiskPullFiles(settings.data_dir / "pulls"),
        clock=runtime.clock,
        keep=keep,
    )
    runtime.every(PURGE_LOOP, PURGE_EVERY_S, Purger(purge, pulls), timeout_s=PURGE_TIMEOUT_S)
    loops = SnapshotImporter(importer, sources, runs)
    for number in range(1, _IMPORT_LOOPS + 1):
        runtime.loop(f"import-snapshots-{number}", loops.loop(bell.ear()))
    _add_drops(settings, runtime, units, sources, accept)
    return importer


def _add_replays(
    app: FastAPI,
    runtime: Runtime,
    units: PostgresUnits,
    sources: ConfiguredSources,
    record: RecordChanges,
    importer: ImportSnapshot,
) -> None:
    bell = Bell()
    desk = PostgresReplayDesk(runtime.database)
    app.include_router(
        replay_routes(
            AskReplay(units=units, clock=runtime.clock, ids=runtime.ids, poke=bell.ring),
            desk,
            sources,
            operator=runtime.operators.require("operator"),
            viewer=runtime.operators.require("viewer"),
        )
    )
    replay = ReplayDeliveries(
        units=units,
        desk=desk,
        sources=sources,
        clock=runtime.clock,
        ids=runtime.ids,
        record_changes=record,
        import_snapshot=importer,
    )
    runtime.loop(REPLAY_LOOP, Replayer(replay, bell.ear()).run)


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
            drop=drop_of(found),
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
    holds: KeepHold,
    bell: Bell,
) -> None:
    desk = PostgresAuthorityDesk(runtime.database)
    weigh, keep = WeighFlip(units=units), KeepFlip(clock=runtime.clock, keep=holds)
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
    accepted: Bell,
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
    reread = Reread(
        units=units,
        clock=runtime.clock,
        record_changes=record,
        read_hints=ReadHints(clock=runtime.clock),
    )
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
    places: list[Place] = []
    for source in sources.all():
        name, pulling = source.place.source_id, source.pulling
        if pulling is None:
            continue
        places.append(source.place)
        puller = SourcePuller(
            source, pulling, ask=ask, pull=pull, desk=desk, ear=bell.ear(), clock=runtime.clock
        )
        runtime.loop(f"pull:{name}", puller.run)
        if source.hints is not None:
            follower = HintFollower(
                source, source.hints, pulling, reread=reread, ear=accepted.ear()
            )
            runtime.loop(f"hints:{name}", follower.run)

    async def pulls() -> Check:
        found = await desk.standings(places)
        return pulls_check(found, runtime.clock.now(), runtime.http.is_open)

    if places:
        runtime.health.add("pulls", pulls, critical=False)
