"""Builds the real things and joins them. Decides nothing."""

from collections.abc import Sequence

from fastapi import FastAPI
from pydantic import JsonValue

from directory_sync.adapters.events import FactToEvent
from directory_sync.adapters.postgres.group_views import PostgresGroupViews
from directory_sync.adapters.postgres.plan_views import PostgresPlanViews
from directory_sync.adapters.postgres.tracer import PostgresTracer
from directory_sync.adapters.postgres.units import PostgresUnits
from directory_sync.adapters.postgres.views import PostgresViews
from directory_sync.adapters.transport import HttpTransport
from directory_sync.domain.ids import DistrictId, TargetId
from directory_sync.domain.policy import Policy
from directory_sync.domain.target_state import word_for
from directory_sync.entrypoints.consumers.roster_state import GROUP, TOPICS, roster_state_handler
from directory_sync.entrypoints.http.groups import group_routes
from directory_sync.entrypoints.http.pages import routes
from directory_sync.entrypoints.http.plans import (
    decision_routes,
    plan_routes,
    reconcile_routes,
)
from directory_sync.entrypoints.jobs.alone import Run, alone
from directory_sync.entrypoints.jobs.group_reconciler import GroupReconciler
from directory_sync.entrypoints.jobs.reconciler import Reconciler
from directory_sync.entrypoints.jobs.target_reader import TargetReader
from directory_sync.ports import Connection, Wiring
from directory_sync.settings import SCHEMA, Settings, TargetSettings
from directory_sync.targets import TARGETS
from directory_sync.usecases.ask_reading import AskReading
from directory_sync.usecases.compare_target import CompareTarget
from directory_sync.usecases.connect_target import ConnectTarget
from directory_sync.usecases.decide_plan import DecidePlan
from directory_sync.usecases.guarding import Guard
from directory_sync.usecases.prepare_actions import PrepareActions
from directory_sync.usecases.prepare_groups import PrepareGroups
from directory_sync.usecases.read_groups import ReadGroups
from directory_sync.usecases.reconcile_groups import ReconcileGroups
from directory_sync.usecases.reconcile_target import Pace, ReconcileTarget
from directory_sync.usecases.record_groups import RecordGroups
from directory_sync.usecases.record_outcomes import RecordOutcomes
from directory_sync.usecases.record_state import RecordState
from directory_sync.usecases.review_dates import ReviewDates
from directory_sync.usecases.show_accounts import ShowAccounts
from directory_sync.usecases.show_groups import ShowGroups
from directory_sync.usecases.show_plans import ShowPlans
from roster_common.runtime.bell import Bell
from roster_common.runtime.health import Check, RunCheck
from roster_common.runtime.service import Runtime, create_app
from roster_common.runtime.trace import trace_routes

_REVIEW_EVERY_S = 300.0
_TIDY_EVERY_S = 60.0


def build(settings: Settings) -> FastAPI:
    """The application, ready to serve; it opens no connection before its start."""

    def wire(app: FastAPI, runtime: Runtime) -> None:
        """Mount the doors and register the consumer, the workers of each target and the timers.

        Opens no connection and awaits nothing: `runtime` starts what is registered here. Raises
        KeyError for a target of a kind that no room declares.
        """
        units = PostgresUnits(runtime.database, FactToEvent(runtime.new_event))
        wirings = [_wiring(target, runtime) for target in settings.targets]
        policies = [wiring.policy for wiring in wirings]
        bell = Bell()
        views = PostgresViews(runtime.database)
        runtime.health.add("targets", _targets_check(views, policies), critical=False)
        show = ShowAccounts(views=views, policies=policies, clock=runtime.clock)
        show_groups = ShowGroups(views=PostgresGroupViews(runtime.database), policies=policies)
        viewer = runtime.operators.require("viewer")
        app.include_router(routes(show, show_groups, viewer))
        app.include_router(group_routes(show_groups, viewer))
        app.include_router(trace_routes(settings.service, PostgresTracer(runtime.database), viewer))
        _add_consumer(runtime, units, policies, bell)
        for wiring in wirings:
            _add_workers(settings, runtime, units, wiring, bell)
            _add_group_worker(settings, runtime, units, wiring, bell)
        _add_plans(app, runtime, units, wirings, bell)
        review = ReviewDates(units=units, policies=policies, clock=runtime.clock)

        async def review_dates() -> None:
            if await review():
                bell.ring()

        runtime.every("review-dates", _REVIEW_EVERY_S, review_dates)

    return create_app(settings, wire)


def _targets_check(views: PostgresViews, policies: Sequence[Policy]) -> RunCheck:
    """Where each target stands. One that is away or waits for a person stops no other."""

    async def check() -> Check:
        detail: dict[str, JsonValue] = {}
        for policy in policies:
            state, open_plans = await views.standing(policy.district_id, policy.target_id)
            detail[policy.target_id] = {"state": word_for(state), "openPlans": open_plans}
        return Check(ok=True, detail={"targets": detail})

    return check


def _add_consumer(
    runtime: Runtime, units: PostgresUnits, policies: Sequence[Policy], bell: Bell
) -> None:
    handle = roster_state_handler(
        RecordState(policies=policies, clock=runtime.clock), join=units.join, ring=bell.ring
    )
    runtime.consume(group=GROUP, topics=TOPICS, schema=SCHEMA, handle=handle)


def _add_plans(
    app: FastAPI, runtime: Runtime, units: PostgresUnits, wirings: Sequence[Wiring], bell: Bell
) -> None:
    decide = DecidePlan(units=units, clock=runtime.clock)
    show = ShowPlans(
        units=units,
        views=PostgresPlanViews(runtime.database),
        wirings=wirings,
        clock=runtime.clock,
    )
    app.include_router(plan_routes(show, runtime.operators.require("viewer")))
    approver = runtime.operators.require("approver")
    app.include_router(decision_routes(show, decide, approver, ring=bell.ring))

    asked = Bell()
    ask = AskReading(
        units=units, policies=[wiring.policy for wiring in wirings], clock=runtime.clock
    )
    operator = runtime.operators.require("operator")
    app.include_router(reconcile_routes(ask, operator, ring=asked.ring))
    for wiring in wirings:
        reader = TargetReader(
            target_id=wiring.policy.target_id,
            compare=CompareTarget(units=units, wiring=wiring, clock=runtime.clock, ids=runtime.ids),
            ear=asked.ear(),
            bell=bell,
        )
        _add_loop(runtime, wiring, f"read:{wiring.policy.target_id}", reader.run)

    async def tidy() -> None:
        await decide.tidy([wiring.policy for wiring in wirings])

    runtime.every("plans", _TIDY_EVERY_S, tidy)


def _add_workers(
    settings: Settings, runtime: Runtime, units: PostgresUnits, wiring: Wiring, bell: Bell
) -> None:
    """Several workers per target: one plans while another waits for the target's answers."""
    clock, ids = runtime.clock, runtime.ids
    connect = ConnectTarget(units=units, wiring=wiring, clock=clock, ids=ids)
    guard = Guard(policy=wiring.policy, ids=ids)
    pace = Pace(batch=settings.target_batch, lease_s=settings.lease_s)
    for number in range(settings.target_workers):
        worker = Reconciler(
            target_id=wiring.policy.target_id,
            connect=connect,
            reconcile=ReconcileTarget(
                target=wiring.target,
                prepare=PrepareActions(
                    units=units, wiring=wiring, clock=clock, ids=ids, guard=guard
                ),
                record=RecordOutcomes(units=units, wiring=wiring, clock=clock),
                pace=pace,
            ),
            ear=bell.ear(),
        )
        _add_loop(runtime, wiring, f"target:{wiring.policy.target_id}:{number}", worker.run)


def _add_group_worker(
    settings: Settings, runtime: Runtime, units: PostgresUnits, wiring: Wiring, bell: Bell
) -> None:
    """One worker is enough: it asks for many groups side by side. None without groups."""
    if wiring.groups is None:
        return
    target, clock, ids = wiring.groups, runtime.clock, runtime.ids
    worker = GroupReconciler(
        target_id=wiring.policy.target_id,
        read_groups=ReadGroups(units=units, wiring=wiring, target=target, clock=clock, ids=ids),
        reconcile=ReconcileGroups(
            target=target,
            prepare=PrepareGroups(units=units, wiring=wiring, clock=clock, ids=ids),
            record=RecordGroups(units=units, wiring=wiring, clock=clock),
            batch=settings.target_batch,
            lease_s=settings.lease_s,
        ),
        ear=bell.ear(),
    )
    _add_loop(runtime, wiring, f"groups:{wiring.policy.target_id}", worker.run)


def _add_loop(runtime: Runtime, wiring: Wiring, name: str, run: Run) -> None:
    """A loop of one target, whose trouble is that target's alone."""
    runtime.loop(name, alone(run, loop=name, target_id=wiring.policy.target_id))


def _wiring(target: TargetSettings, runtime: Runtime) -> Wiring:
    spec = TARGETS[target.kind]
    url = str(target.url).rstrip("/")
    transport = HttpTransport(runtime.http, name=target.id)
    connection = Connection(
        target_id=TargetId(target.id),
        url=url,
        token=target.token.get_secret_value(),
        concurrency=target.concurrency,
    )
    policy = Policy(
        district_id=DistrictId(target.district),
        target_id=TargetId(target.id),
        roles=target.roles,
        email_domain=target.email_domain,
        time_zone=target.time_zone,
        groups=target.groups,
        starts_live=target.first_connection == "apply",
        read_every_s=target.read_every_s,
    )
    groups = None
    if target.groups and spec.connect_groups is not None:
        groups = spec.connect_groups(connection, transport)
    return Wiring(
        policy=policy,
        desired=spec.desired,
        target=spec.connect(connection, transport),
        groups=groups,
    )
