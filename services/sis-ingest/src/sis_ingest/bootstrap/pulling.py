"""What is read from sources, on a schedule and by hints."""

from fastapi import FastAPI

from roster_common.runtime.bell import Bell
from roster_common.runtime.health import Check
from roster_common.runtime.service import Runtime
from sis_ingest.adapters.files import DiskSnapshotFiles
from sis_ingest.adapters.postgres.pulls import PostgresPullDesk
from sis_ingest.adapters.postgres.units import PostgresUnits
from sis_ingest.adapters.pull_files import DiskPullFiles
from sis_ingest.bootstrap.sources import ConfiguredSources
from sis_ingest.domain.deliveries import Place
from sis_ingest.entrypoints.http.pulls import examination_routes, pull_routes
from sis_ingest.entrypoints.jobs.pullers import HintFollower, SourcePuller, pulls_check
from sis_ingest.settings import Settings
from sis_ingest.usecases.ask_pull import AskPull
from sis_ingest.usecases.pull_source import PullSource
from sis_ingest.usecases.read_hints import ReadHints
from sis_ingest.usecases.record_changes import RecordChanges
from sis_ingest.usecases.reread import Reread


def add_pulls(
    settings: Settings,
    app: FastAPI,
    runtime: Runtime,
    units: PostgresUnits,
    sources: ConfiguredSources,
    record: RecordChanges,
    accepted: Bell,
) -> None:
    """The doors of pulls, and a loop for each source that is pulled or hints."""
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
