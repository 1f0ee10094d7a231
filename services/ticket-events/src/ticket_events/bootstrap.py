"""Builds the real things and joins them. Decides nothing."""

from fastapi import FastAPI

from roster_common.runtime.bell import Bell
from roster_common.runtime.health import Check
from roster_common.runtime.service import Runtime, create_app
from roster_common.runtime.trace import trace_routes
from ticket_events.adapters.events import NewsToEvent
from ticket_events.adapters.postgres.device_views import PostgresDeviceViews
from ticket_events.adapters.postgres.ticket_views import PostgresTicketViews
from ticket_events.adapters.postgres.tracer import PostgresTracer
from ticket_events.adapters.postgres.unit import PostgresUnits, joining
from ticket_events.adapters.postgres.views import PostgresViews
from ticket_events.desks import KINDS
from ticket_events.domain.ids import DistrictId
from ticket_events.entrypoints.consumers.roster import GROUP, TOPICS, roster_handler
from ticket_events.entrypoints.http.assets import asset_routes
from ticket_events.entrypoints.http.pages import routes
from ticket_events.entrypoints.http.tickets import ticket_routes
from ticket_events.entrypoints.http.webhooks import webhook_routes
from ticket_events.entrypoints.jobs.applier import DeliveryApplier
from ticket_events.ports import Desk
from ticket_events.settings import SCHEMA, DeskSettings, Settings
from ticket_events.usecases.accept_delivery import AcceptDelivery
from ticket_events.usecases.apply_deliveries import ApplyDeliveries
from ticket_events.usecases.follow_merges import FollowMerges
from ticket_events.usecases.follow_people import FollowPeople
from ticket_events.usecases.import_devices import ImportDevices
from ticket_events.usecases.record_people import RecordPeople
from ticket_events.usecases.record_tickets import RecordTickets
from ticket_events.usecases.request_devices import RequestDevices
from ticket_events.usecases.settle_collections import SettleCollections

_OLDEST_WAITING_LIMIT_S = 60.0


def build(settings: Settings) -> FastAPI:
    """The application, ready to serve; it opens no connection before its start."""

    def wire(app: FastAPI, runtime: Runtime) -> None:
        """Add the consumer, doors and loops of this service; opens nothing."""
        to_event = NewsToEvent(runtime.new_event)
        units = PostgresUnits(runtime.database, to_event)
        record = RecordTickets(clock=runtime.clock)
        settle = SettleCollections(clock=runtime.clock, ids=runtime.ids, record=record)
        follow = FollowPeople(
            clock=runtime.clock,
            request=RequestDevices(clock=runtime.clock, ids=runtime.ids),
            take_over=FollowMerges(clock=runtime.clock),
            settle=settle,
        )
        handle = roster_handler(RecordPeople(clock=runtime.clock), follow, join=joining(to_event))
        runtime.consume(group=GROUP, topics=TOPICS, schema=SCHEMA, handle=handle)
        _add_desks(settings, app, runtime, units, record)
        take_file = ImportDevices(units=units, clock=runtime.clock, ids=runtime.ids, settle=settle)
        _add_pages(settings, app, runtime, take_file)

    return create_app(settings, wire)


def _add_desks(
    settings: Settings, app: FastAPI, runtime: Runtime, units: PostgresUnits, record: RecordTickets
) -> None:
    bell = Bell()
    desks = {desk.id: _desk(desk) for desk in settings.desks}
    accept = AcceptDelivery(units=units, clock=runtime.clock, ids=runtime.ids, poke=bell.ring)
    app.include_router(webhook_routes(accept, desks, limit_bytes=settings.webhook_limit_bytes))
    apply = ApplyDeliveries(units=units, clock=runtime.clock, record=record)
    views = PostgresViews(runtime.database)
    applier = DeliveryApplier(apply, desks, views.desks_waiting, bell.ear())
    runtime.loop("apply-deliveries", applier.run)

    async def inbox() -> Check:
        waiting, oldest_s = await views.backlog()
        return Check(
            ok=oldest_s < _OLDEST_WAITING_LIMIT_S,
            detail={"waiting": waiting, "oldestSeconds": round(oldest_s, 3)},
        )

    runtime.health.add("inbox", inbox, critical=False)


def _add_pages(
    settings: Settings, app: FastAPI, runtime: Runtime, take_file: ImportDevices
) -> None:
    viewer = runtime.operators.require("viewer")
    database = runtime.database
    app.include_router(
        asset_routes(
            take_file,
            PostgresDeviceViews(database, {desk.district for desk in settings.desks}),
            operator=runtime.operators.require("operator"),
            viewer=viewer,
            limit_bytes=settings.inventory_limit_bytes,
        )
    )
    app.include_router(ticket_routes(PostgresTicketViews(database), viewer=viewer))
    app.include_router(routes(PostgresViews(database), viewer))
    app.include_router(trace_routes(settings.service, PostgresTracer(database), viewer))


def _desk(settings: DeskSettings) -> Desk:
    return Desk(
        desk_id=settings.id,
        district_id=DistrictId(settings.district),
        secrets=tuple(secret.get_secret_value() for secret in settings.secrets),
        time_zone=settings.timezone,
        reader=KINDS[settings.kind].reader,
    )
