"""`GET /tickets` and `GET /tickets/metrics`: tickets as ids, states and counts."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Depends, Query
from fastapi.responses import JSONResponse
from pydantic import AwareDatetime

from roster_common.contracts.values import Text
from roster_common.runtime.problems import FieldError, Problem
from roster_common.runtime.tokens import Operator
from ticket_events.domain.ticket import TicketState
from ticket_events.entrypoints.http.assets import Gate
from ticket_events.entrypoints.http.scope import districts_of
from ticket_events.ports import TicketViews

MOST_DAYS: Final = 366
# Outside of these no ticket happened, and a zone could lead out of the calendar.
_YEARS: Final = range(2000, 2200)
_Moment = AwareDatetime | date
_Id = Annotated[Text | None, Query(max_length=255)]


def ticket_routes(views: TicketViews, *, viewer: Gate) -> APIRouter:
    """The pages; they read only."""
    router = APIRouter(tags=["tickets"])

    @router.get("/tickets", summary="Tickets, newest change first")
    async def tickets(
        who: Annotated[Operator, Depends(viewer)],
        district: _Id = None,
        state: TicketState | None = None,
        limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
        offset: Annotated[int, Query(ge=0, le=10_000_000)] = 0,
    ) -> JSONResponse:
        """A page of tickets of the token's districts, and how many match in all."""
        page = await views.tickets(
            districts=districts_of(who, district),
            state=None if state is None else state.value,
            limit=limit,
            offset=offset,
        )
        return JSONResponse({"total": page.total, "tickets": list(page.rows)})

    @router.get("/tickets/metrics", summary="Tickets and devices of a period in counts")
    async def metrics(
        who: Annotated[Operator, Depends(viewer)],
        since: Annotated[_Moment, Query(alias="from")],
        until: Annotated[_Moment, Query(alias="to")],
        district: _Id = None,
        by: Literal["site", "category", "priority", "day"] | None = None,
    ) -> JSONResponse:
        """Counts and durations in minutes, `to` outside; 422 when not after `from` or too long."""
        start, end = _moment("from", since), _moment("to", until)
        if end <= start:
            raise _bad_query("to", "not_after_from")
        if end - start > timedelta(days=MOST_DAYS):
            raise _bad_query("to", f"more_than_{MOST_DAYS}_days")
        found = await views.metrics(
            districts=districts_of(who, district), since=start, until=end, by=by
        )
        page = {"from": start.isoformat(), "to": end.isoformat(), "by": by, **found}
        return JSONResponse(page)

    return router


def _moment(field: str, given: datetime | date) -> datetime:
    """A bare day begins at midnight UTC. Raises a 422 problem for years that cannot be meant."""
    if given.year not in _YEARS:
        raise _bad_query(field, "out_of_range")
    if isinstance(given, datetime):
        return given
    return datetime.combine(given, time(), tzinfo=UTC)


def _bad_query(field: str, code: str) -> Problem:
    return Problem(
        422,
        "invalid_request",
        "The request does not have the required form",
        errors=[FieldError(field=field, message=code, location="query")],
    )
