"""Builds the real things and joins them. Decides nothing."""

from fastapi import FastAPI

from roster_common.runtime.service import Runtime, create_app
from ticket_events.adapters.events import RequestToEvent
from ticket_events.adapters.postgres.unit import joining
from ticket_events.adapters.postgres.views import PostgresViews
from ticket_events.entrypoints.consumers.roster import GROUP, TOPICS, roster_handler
from ticket_events.entrypoints.http.pages import routes
from ticket_events.settings import SCHEMA, Settings
from ticket_events.usecases.record_people import RecordPeople
from ticket_events.usecases.request_devices import RequestDevices


def build(settings: Settings) -> FastAPI:
    """The application, ready to serve; it opens no connection before its start."""

    def wire(app: FastAPI, runtime: Runtime) -> None:
        handle = roster_handler(
            RecordPeople(clock=runtime.clock),
            RequestDevices(clock=runtime.clock, ids=runtime.ids),
            join=joining(RequestToEvent(runtime.new_event)),
        )
        runtime.consume(group=GROUP, topics=TOPICS, schema=SCHEMA, handle=handle)
        views = PostgresViews(runtime.database)
        app.include_router(routes(views, runtime.operators.require("viewer")))

    return create_app(settings, wire)
