"""`GET` and `PUT /authority`: which of several sources speaks for which school."""

from collections.abc import Mapping
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from roster_common.contracts.values import Text
from roster_common.runtime.correlation import current_correlation_id
from roster_common.runtime.problems import FieldError, Problem
from roster_common.runtime.tokens import Operator
from sis_ingest.domain.authority import DISTRICT, Ruling
from sis_ingest.domain.entities import IMPORT_ORDER
from sis_ingest.domain.flips import ACTIONS, Differences, Flip, Order
from sis_ingest.entrypoints.http.snapshots import Gate
from sis_ingest.ports.authority import AuthorityDesk
from sis_ingest.usecases.flip_authority import FlipAuthority, Flipped, NotFlipped
from sis_ingest.usecases.weigh_flip import Weighings

Id = Annotated[Text, Field(min_length=1, max_length=255)]

_FAULTS: Final[Mapping[NotFlipped, tuple[int, str, str]]] = {
    "unknown_source": (404, "source", "No source of the district has this id"),
    "supplement_source": (422, "source", "A source that only adds to others has no authority"),
    "unknown_school": (404, "school", "There is no such school here"),
    "flip_waits": (409, "district", "Another change of authority waits or is under way"),
    "changed_meanwhile": (409, "district", "Authority changed while this was weighed"),
    "hash_differs": (409, "itemsHash", "What would differ changed since it was looked at"),
}


class OrderBody(BaseModel):
    """Who speaks for a place: without a school for the district, without a source nobody of its
    own.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    district: Id
    school: Id | None = None
    source: Id | None
    # What a dry run showed: with it, exactly that is done or nothing.
    itemsHash: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")  # noqa: N815 - wire name


def authority_routes(
    flip: FlipAuthority, desk: AuthorityDesk, *, approver: Gate, viewer: Gate
) -> APIRouter:
    """The look, the flip, and how far its weighing is."""
    router = APIRouter(tags=["authority"])

    @router.put("/authority", summary="Give a school, or the district, to another source")
    async def put(
        body: OrderBody,
        who: Annotated[Operator, Depends(approver)],
        *,
        dry_run: Annotated[bool, Query(alias="dryRun")] = False,
    ) -> JSONResponse:
        """What differs, and whether it is under way or waits in a hold, committed. May run twice.

        404 an unknown source or school, 409 while another one waits or is under way.
        """
        who.ensure(body.district)
        order = Order(
            district_id=body.district, school_id=body.school or DISTRICT, source_id=body.source
        )
        done = await flip(
            order,
            subject=who.subject,
            correlation_id=current_correlation_id(),
            dry_run=dry_run,
            items_hash=body.itemsHash,
        )
        if not isinstance(done, Flipped):
            raise _problem(done)
        return JSONResponse(_flipped_page(body, done))

    @router.get("/authority", summary="Which source speaks for which school")
    async def look(
        district: Annotated[Text, Query(min_length=1)], who: Annotated[Operator, Depends(viewer)]
    ) -> JSONResponse:
        """The table, the source of each school, and what is silent; 404 outside the token."""
        who.ensure(district)
        rulings = {one.school_id: one for one in await desk.rulings(district)}
        default = rulings.pop(DISTRICT, None)
        schools = sorted({*rulings, *await desk.schools(district)})
        waiting = await desk.unfinished(district)
        return JSONResponse(
            {
                "district": district,
                "default": _ruling_page(default, None),
                "schools": [
                    {"school": one, **_ruling_page(rulings.get(one), default)} for one in schools
                ],
                "silent": await desk.silent(district),
                "flip": None if waiting is None else _flip_page(waiting),
            }
        )

    _add_weighing(router, flip.weigh.weighings, viewer)
    return router


def _add_weighing(router: APIRouter, weighings: Weighings, viewer: Gate) -> None:
    @router.get("/authority/weighing", summary="How far the weighing of a flip is")
    async def weighing(
        district: Annotated[Text, Query(min_length=1)], who: Annotated[Operator, Depends(viewer)]
    ) -> JSONResponse:
        """`weighing` is null while this process weighs nothing; 404 outside the token."""
        who.ensure(district)
        far = weighings.get(district)
        return JSONResponse({"weighing": None if far is None else {"read": far.read, "of": far.of}})


def _problem(why: NotFlipped) -> Problem:
    status, field, title = _FAULTS[why]
    return Problem(
        status, why, title, errors=[FieldError(field=field, message=why, location="body")]
    )


def _ruling_page(own: Ruling | None, default: Ruling | None) -> dict[str, Any]:
    """Without a line of its own a school is the default's; `own` says which."""
    ruling = own or default
    return {
        "source": None if ruling is None else ruling.source_id,
        "own": own is not None,
        "since": None if ruling is None else ruling.since.isoformat(),
        "decidedBy": None if ruling is None else ruling.decided_by,
    }


def _flip_page(flip: Flip) -> Mapping[str, Any]:
    hold_id = None if flip.begun_at else flip.hold_id
    return {
        "flipId": flip.flip_id,
        "state": "held" if hold_id else "under_way",
        "holdId": hold_id,
        "retells": flip.order.retells,
        "school": flip.order.school_id or None,
        "source": flip.order.source_id,
        "askedAt": flip.asked_at.isoformat(),
        "askedBy": flip.decided_by,
        "upserted": flip.upserted,
        "deleted": flip.deleted,
    }


def _flipped_page(body: OrderBody, done: Flipped) -> Mapping[str, Any]:
    differences = done.differences
    return {
        "district": body.district,
        "school": body.school,
        "source": body.source,
        "state": done.state,
        "holdId": done.hold_id,
        "stopped": [f"{entity}.{operation}" for entity, operation in done.stopped],
        "differences": _differences_page(differences),
        "itemsHash": differences.items_hash,
        "correlationId": current_correlation_id(),
    }


def _differences_page(differences: Differences) -> Mapping[str, Any]:
    """Counts, and up to 20 ids of each, by entity; entities without any are left out."""
    return {
        entity: {
            "population": differences.population.get(entity, 0),
            "keyChange": differences.key_changes.get(entity, 0),
            **{action: differences.count(entity, action) for action in ACTIONS},
            "sample": {action: list(differences.sample(entity, action)) for action in ACTIONS},
        }
        for entity in IMPORT_ORDER
        if differences.key_changes.get(entity, 0)
        or any(differences.count(entity, action) for action in ACTIONS)
    }
