"""What comes in: webhooks, files, drops, and all of it once more by replays."""

from datetime import timedelta

from fastapi import FastAPI

from roster_common.runtime.bell import Bell
from roster_common.runtime.health import Check
from roster_common.runtime.service import Runtime
from sis_ingest.adapters.drops.packing import pack
from sis_ingest.adapters.files import DiskSnapshotFiles
from sis_ingest.adapters.postgres.inbox import GroupedInbox
from sis_ingest.adapters.postgres.replays import PostgresReplayDesk
from sis_ingest.adapters.postgres.runs import PostgresRunDesk
from sis_ingest.adapters.postgres.units import PostgresUnits
from sis_ingest.adapters.pull_files import DiskPullFiles
from sis_ingest.bootstrap.sources import ConfiguredSources, drop_of
from sis_ingest.entrypoints.http.replays import replay_routes
from sis_ingest.entrypoints.http.snapshots import run_routes, snapshot_routes
from sis_ingest.entrypoints.http.webhooks import webhook_routes
from sis_ingest.entrypoints.jobs.appliers import LOOP as APPLY_LOOP
from sis_ingest.entrypoints.jobs.appliers import DeliveryApplier, SnapshotImporter
from sis_ingest.entrypoints.jobs.drops import LOOP as DROPS_LOOP
from sis_ingest.entrypoints.jobs.drops import DropWatcher, drops_check
from sis_ingest.entrypoints.jobs.purge import EVERY_S as PURGE_EVERY_S
from sis_ingest.entrypoints.jobs.purge import LOOP as PURGE_LOOP
from sis_ingest.entrypoints.jobs.purge import TIMEOUT_S as PURGE_TIMEOUT_S
from sis_ingest.entrypoints.jobs.purge import Purger
from sis_ingest.entrypoints.jobs.replayer import LOOP as REPLAY_LOOP
from sis_ingest.entrypoints.jobs.replayer import Replayer
from sis_ingest.ports.snapshots import SnapshotLimits
from sis_ingest.settings import Settings
from sis_ingest.usecases.accept_delivery import AcceptDelivery
from sis_ingest.usecases.accept_snapshot import AcceptSnapshot
from sis_ingest.usecases.apply_deliveries import ApplyDeliveries
from sis_ingest.usecases.apply_snapshot import ApplySnapshot
from sis_ingest.usecases.ask_replay import AskReplay
from sis_ingest.usecases.collect_drop import CollectDrop
from sis_ingest.usecases.guard_snapshot import GuardSnapshot
from sis_ingest.usecases.import_snapshot import ImportSnapshot
from sis_ingest.usecases.link_snapshot import LinkSnapshot
from sis_ingest.usecases.purge_pulls import PurgePulls
from sis_ingest.usecases.purge_raw import PurgeRaw
from sis_ingest.usecases.recognise import Recognise
from sis_ingest.usecases.record_changes import RecordChanges
from sis_ingest.usecases.replay_deliveries import ReplayDeliveries
from sis_ingest.usecases.stage_snapshot import StageSnapshot

# How many runs are at work at a time, each of another source: one may be long.
_IMPORT_LOOPS = 3


def add_webhooks(
    settings: Settings,
    app: FastAPI,
    runtime: Runtime,
    units: PostgresUnits,
    sources: ConfiguredSources,
    runs: PostgresRunDesk,
    record: RecordChanges,
    bell: Bell,
) -> None:
    """The door of webhooks, and the loop that applies them."""
    accept = AcceptDelivery(
        inbox=GroupedInbox(units), clock=runtime.clock, ids=runtime.ids, poke=bell.ring
    )
    app.include_router(webhook_routes(accept, sources, limit_bytes=settings.webhook_limit_bytes))
    apply = ApplyDeliveries(units=units, clock=runtime.clock, record_changes=record)
    applier = DeliveryApplier(apply, sources, runs, bell.ear(), runtime.clock)
    runtime.loop(APPLY_LOOP, applier.run)


def add_snapshots(
    settings: Settings,
    app: FastAPI,
    runtime: Runtime,
    units: PostgresUnits,
    sources: ConfiguredSources,
    runs: PostgresRunDesk,
    record: RecordChanges,
    recognise: Recognise,
) -> ImportSnapshot:
    """The door of files, their loops, and drops. Gives the importer, for replays."""
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


def add_replays(
    app: FastAPI,
    runtime: Runtime,
    units: PostgresUnits,
    sources: ConfiguredSources,
    record: RecordChanges,
    importer: ImportSnapshot,
) -> None:
    """The door of replays and their loop."""
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
