"""`GET /trace/…`: where a change, or every copy of a person, is in one service now.

One form for all services, so that `homeroom trace` can join them. Ids, counts and codes only: no
name, address or other content ever stands here. Source: blueprint, "where is it?"; ADR 0013.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Protocol

from fastapi import APIRouter, Depends, Path, Query
from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from roster_common.contracts.values import Text
from roster_common.runtime.tokens import Operator

MOST_STEPS = 1_000


class _Body(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True)


class Step(_Body):
    """One thing that happened for the correlation id.

    `what` is `<noun>.<past participle>` (`delivery.accepted`, `roster.published`); `ids` says to
    what, by the kind of id; `count` how many when it was many; `detail` is a stable code.
    """

    at: datetime
    what: str
    district: str
    ids: Mapping[str, str] = {}
    count: int | None = None
    detail: str | None = None


class Copy(_Body):
    """One copy of a person: where it stands, its id there, its state, since when and why.

    `where` is the source, `roster`, the target or the table of devices; `correlation_id` names the
    delivery that last changed it.
    """

    kind: str
    where: str
    district: str
    id: str
    state: str
    at: datetime | None
    correlation_id: str | None
    detail: str | None = None


class TraceBody(_Body):
    """Oldest first; empty when the change has not come here, or left nothing to do."""

    service: str
    correlation_id: str
    steps: Sequence[Step]


class CopiesBody(_Body):
    """Every copy of the person in this service; empty when it has none."""

    service: str
    person_id: str
    copies: Sequence[Copy]


class Tracer(Protocol):
    """What a service can say. `districts` None means all of them; others are never told of."""

    async def steps(
        self, correlation_id: str, *, districts: Sequence[str] | None, limit: int
    ) -> Sequence[Step]:
        """What happened here for this correlation id, oldest first, at most `limit`."""
        ...

    async def copies(self, person_id: str, *, districts: Sequence[str] | None) -> Sequence[Copy]:
        """Every copy of the person here; `person_id` is our id."""
        ...


def trace_routes(
    service: str, tracer: Tracer, require_viewer: Callable[..., Awaitable[Operator]]
) -> APIRouter:
    """The two pages; they read only."""
    router = APIRouter(tags=["trace"])
    viewer = Annotated[Operator, Depends(require_viewer)]

    @router.get("/trace/people/{person_id:path}", summary="Every copy of a person here")
    async def copies(
        person_id: Annotated[Text, Path(max_length=255)],
        operator: viewer,
        district: Annotated[Text | None, Query(max_length=255)] = None,
    ) -> CopiesBody:
        found = await tracer.copies(person_id, districts=_districts(operator, district))
        return CopiesBody(service=service, person_id=person_id, copies=found)

    @router.get("/trace/{correlation_id}", summary="What a delivery caused here")
    async def steps(
        correlation_id: Annotated[Text, Path(max_length=255)],
        operator: viewer,
    ) -> TraceBody:
        found = await tracer.steps(
            correlation_id, districts=_districts(operator, None), limit=MOST_STEPS
        )
        return TraceBody(service=service, correlation_id=correlation_id, steps=found)

    return router


def _districts(operator: Operator, wanted: str | None) -> Sequence[str] | None:
    """None for a token of every district; a wanted one outside the token leaves nothing to see."""
    if wanted is not None:
        return [wanted] if operator.may_see(wanted) else []
    return None if operator.districts is None else sorted(operator.districts)
