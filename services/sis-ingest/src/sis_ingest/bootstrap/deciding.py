"""What people decide: holds, authority, who is who."""

from fastapi import FastAPI

from roster_common.runtime.bell import Bell
from roster_common.runtime.health import Check
from roster_common.runtime.service import Runtime
from sis_ingest.adapters.postgres.authority import PostgresAuthorityDesk
from sis_ingest.adapters.postgres.crosswalk import PostgresCrosswalkDesk
from sis_ingest.adapters.postgres.hold_desk import PostgresHoldDesk
from sis_ingest.adapters.postgres.suggestions import PostgresSuggestionDesk
from sis_ingest.adapters.postgres.units import PostgresUnits
from sis_ingest.bootstrap.sources import ConfiguredSources
from sis_ingest.entrypoints.http.authority import authority_routes
from sis_ingest.entrypoints.http.crosswalk import crosswalk_routes
from sis_ingest.entrypoints.http.holds import hold_routes
from sis_ingest.entrypoints.http.suggestions import suggestion_routes
from sis_ingest.entrypoints.jobs.flips import LOOP as SETTLE_FLIPS
from sis_ingest.entrypoints.jobs.flips import FlipSettler
from sis_ingest.entrypoints.jobs.holds import LOOP, HoldKeeper
from sis_ingest.usecases.decide_hold import DecideHold
from sis_ingest.usecases.decide_ids import DecideIds
from sis_ingest.usecases.decide_suggestion import DecideSuggestion
from sis_ingest.usecases.flip_authority import FlipAuthority
from sis_ingest.usecases.keep_flip import KeepFlip
from sis_ingest.usecases.keep_hold import KeepHold
from sis_ingest.usecases.merge import Merge
from sis_ingest.usecases.record_changes import RecordChanges
from sis_ingest.usecases.release_hold import ReleaseHold
from sis_ingest.usecases.settle_flip import SettleFlip
from sis_ingest.usecases.split import Split
from sis_ingest.usecases.undo import Undo
from sis_ingest.usecases.weigh_flip import WeighFlip


def add_crosswalk(app: FastAPI, runtime: Runtime, decide: DecideIds) -> None:
    """The doors of merges, splits, undoing and suggestions."""
    gates = {role: runtime.operators.require(role) for role in ("viewer", "approver")}
    desk = PostgresCrosswalkDesk(runtime.database)
    suggestions = PostgresSuggestionDesk(runtime.database)
    app.include_router(suggestion_routes(DecideSuggestion(decide=decide), suggestions, **gates))
    merge, split, undo = Merge(decide=decide), Split(decide=decide), Undo(decide=decide)
    app.include_router(crosswalk_routes(merge, split, undo, desk, **gates))


def add_authority(
    app: FastAPI,
    runtime: Runtime,
    units: PostgresUnits,
    sources: ConfiguredSources,
    holds: KeepHold,
    bell: Bell,
) -> None:
    """The door of authority and the loop that settles flips."""
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


def add_holds(
    app: FastAPI, runtime: Runtime, units: PostgresUnits, record: RecordChanges, flips: Bell
) -> None:
    """The door of holds and their loop; `flips` is rung when one may be of a flip."""
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
