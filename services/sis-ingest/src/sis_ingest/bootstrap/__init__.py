"""Builds the real things and joins them. Decides nothing."""

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI

from roster_common.runtime.bell import Bell
from roster_common.runtime.health import Check
from roster_common.runtime.metrics import metric
from roster_common.runtime.sealing import Seal, read_key
from roster_common.runtime.service import Runtime, create_app
from roster_common.runtime.trace import trace_routes
from sis_ingest.adapters.events import EventMapper
from sis_ingest.adapters.postgres.runs import PostgresRunDesk
from sis_ingest.adapters.postgres.tracer import PostgresTracer
from sis_ingest.adapters.postgres.units import PostgresUnits
from sis_ingest.bootstrap.deciding import add_authority, add_crosswalk, add_holds
from sis_ingest.bootstrap.pulling import add_pulls
from sis_ingest.bootstrap.receiving import add_replays, add_snapshots, add_webhooks
from sis_ingest.bootstrap.sources import ConfiguredSources
from sis_ingest.entrypoints.http.operations import operation_routes
from sis_ingest.entrypoints.jobs.freshness import EVERY_S as AGES_EVERY_S
from sis_ingest.entrypoints.jobs.freshness import LOOP as AGES_LOOP
from sis_ingest.entrypoints.jobs.freshness import Freshness
from sis_ingest.settings import Settings
from sis_ingest.usecases.decide_ids import DecideIds
from sis_ingest.usecases.guard_changes import GuardChanges
from sis_ingest.usecases.identify import Identify
from sis_ingest.usecases.keep_hold import KeepHold
from sis_ingest.usecases.move_ids import MoveIds
from sis_ingest.usecases.recognise import Recognise
from sis_ingest.usecases.record_changes import RecordChanges
from sis_ingest.usecases.republish import Republish
from sis_ingest.usecases.suggest import Suggest

_OLDEST_WAITING_LIMIT_S = 60.0


def build(settings: Settings) -> FastAPI:
    """The application, ready to serve; it opens no connection before its start."""

    def wire(app: FastAPI, runtime: Runtime) -> None:
        """Add the doors, loops and checks of this service; opens nothing."""
        sources = ConfiguredSources(settings.sources, runtime)
        units = _units(settings, runtime, sources)
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
        add_webhooks(settings, app, runtime, units, sources, runs, record, accepted)
        importer = add_snapshots(settings, app, runtime, units, sources, runs, record, recognise)
        flips = Bell()
        add_holds(app, runtime, units, record, flips)
        add_authority(app, runtime, units, sources, keep, flips)
        add_pulls(settings, app, runtime, units, sources, record, accepted)
        add_replays(app, runtime, units, sources, record, importer)
        app.include_router(
            operation_routes(
                Republish(units=units, ids=runtime.ids),
                runs.counts,
                admin=runtime.operators.require("admin"),
                viewer=runtime.operators.require("viewer"),
            )
        )

        add_crosswalk(app, runtime, DecideIds(units=units, ids=runtime.ids, move=move))
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


def _units(settings: Settings, runtime: Runtime, sources: ConfiguredSources) -> PostgresUnits:
    return PostgresUnits(
        runtime.database,
        EventMapper(runtime),
        Seal([read_key(key.get_secret_value()) for key in settings.body_keys]),
        supplements=sources.supplements,
        step_timeout_s=settings.step_timeout_s,
    )


def _recording(runtime: Runtime, keep: KeepHold, recognise: Recognise) -> RecordChanges:
    clock, ids = runtime.clock, runtime.ids
    suggest = Suggest(clock=clock, ids=ids)
    return RecordChanges(
        clock=clock,
        guard=GuardChanges(clock=clock, keep=keep, recognise=recognise),
        identify=Identify(clock=clock, ids=ids, recognise=recognise, suggest=suggest),
    )


def _count_met(outcome: str, times: int) -> None:
    metric("identity_matches_total").labels(outcome=outcome).inc(times)
