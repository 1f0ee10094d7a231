"""`/crosswalk`: which outside ids mean which of ours, and what people decide about it."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Query
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from roster_common.contracts.values import Text
from roster_common.runtime.correlation import current_correlation_id
from roster_common.runtime.problems import FieldError, Problem
from roster_common.runtime.tokens import Operator
from sis_ingest.domain.identity import Meaning
from sis_ingest.entrypoints.http.snapshots import Gate
from sis_ingest.ports.desks import CrosswalkDesk
from sis_ingest.usecases.decide_ids import Decided, Order, TooSilent
from sis_ingest.usecases.merge import Merge, Pair
from sis_ingest.usecases.split import Parting, Split
from sis_ingest.usecases.undo import TouchedSince, Undo

# Entities with ids of their own: demographics carry their user's, and go with it.
Owner = Literal["org", "academicSession", "course", "class", "user", "enrollment"]
Id = Annotated[Text, Field(min_length=1, max_length=255)]
ItemsHash = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
DryRun = Annotated[bool, Query(alias="dryRun")]

_MOST_TOLD: Final = 1_000
_MOST_NAMED: Final = 20
_FAULTS: Final[Mapping[str, tuple[int, str, str]]] = {
    "unknown_keep": (404, "unknown_id", "keep"),
    "unknown_merge": (404, "unknown_id", "merge"),
    "keep_was_merged": (409, "merged_away", "keep"),
    "merge_was_merged": (409, "merged_away", "merge"),
    "unknown_id": (404, "unknown_id", "id"),
    "means_another": (409, "means_another", "outside"),
    "nothing_left": (409, "nothing_left", "outside"),
    "is_an_undo": (409, "is_an_undo", "decisionId"),
    "authority_differs": (409, "authority_differs", "merge"),
    "hash_differs": (409, "hash_differs", "itemsHash"),
}


class _Body(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    # What a dry run showed: with it, exactly that is done or nothing.
    itemsHash: ItemsHash | None = None  # noqa: N815 - the wire's own name


class MergeBody(_Body):
    """Ids of ours; what meant `merge` means `keep` from then on."""

    district: Id
    entity: Owner
    keep: Id
    merge: Id


class OutsideBody(BaseModel):
    """An id as a source has it."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    source: Id
    externalId: Id  # noqa: N815 - the wire's own name


class SplitBody(_Body):
    """`outside` leaves our `id` and gets one of its own."""

    district: Id
    entity: Owner
    id: Id
    outside: Annotated[list[OutsideBody], Field(min_length=1, max_length=100)]


class UndoBody(_Body):
    """Which decision is taken back."""

    decisionId: Id  # noqa: N815 - the wire's own name


def crosswalk_routes(
    merge: Merge, split: Split, undo: Undo, desk: CrosswalkDesk, *, approver: Gate, viewer: Gate
) -> APIRouter:
    """The decisions and the look."""
    router = APIRouter(tags=["crosswalk"])

    @router.post("/crosswalk/merge", summary="Say that two of our ids are one")
    async def merge_ids(
        body: MergeBody, who: Annotated[Operator, Depends(approver)], *, dry_run: DryRun = False
    ) -> JSONResponse:
        """What was told again, committed; 404 an id never given out, 409 one merged away."""
        who.ensure(body.district)
        if body.keep == body.merge:
            raise problem(422, "same_id", "merge")
        pair = Pair(district_id=body.district, entity=body.entity, keep=body.keep, merge=body.merge)
        done = await merge(pair, order=order(body.itemsHash, who, dry_run=dry_run))
        return answer(done, body, dry_run=dry_run)

    @router.post("/crosswalk/split", summary="Give outside ids an id of their own")
    async def split_ids(
        body: SplitBody, who: Annotated[Operator, Depends(approver)], *, dry_run: DryRun = False
    ) -> JSONResponse:
        """What was told again, committed; 409 when they mean another id, or when all would go."""
        who.ensure(body.district)
        parting = Parting(
            district_id=body.district,
            entity=body.entity,
            entity_id=body.id,
            outside=[(one.source, one.externalId) for one in body.outside],
        )
        done = await split(parting, order=order(body.itemsHash, who, dry_run=dry_run))
        return answer(done, body, dry_run=dry_run)

    _add_undo(router, undo, desk, approver)
    _add_history(router, desk, viewer)
    return router


def _add_undo(router: APIRouter, undo: Undo, desk: CrosswalkDesk, approver: Gate) -> None:
    @router.post("/crosswalk/undo", summary="Take back a merge or a split")
    async def undo_decision(
        body: UndoBody, who: Annotated[Operator, Depends(approver)], *, dry_run: DryRun = False
    ) -> JSONResponse:
        """What was told again, committed; 409 naming what touched the same ids since."""
        decision = await desk.decision(body.decisionId)
        if decision is None or not who.may_see(decision.district_id):
            raise problem(404, "unknown_decision", "decisionId")
        done = await undo(decision, order=order(body.itemsHash, who, dry_run=dry_run))
        if isinstance(done, TouchedSince):
            raise problem(409, "touched_since", "decisionId", detail=_named(done.meanings))
        return answer(done, body, dry_run=dry_run)


def _add_history(router: APIRouter, desk: CrosswalkDesk, viewer: Gate) -> None:
    @router.get("/crosswalk", summary="The outside ids of one of our ids, over time")
    async def history(
        district: Annotated[Text, Query(min_length=1)],
        entity: Annotated[Owner, Query()],
        id: Annotated[Text, Query(min_length=1, max_length=255)],  # noqa: A002 - the page's own name
        who: Annotated[Operator, Depends(viewer)],
    ) -> JSONResponse:
        """Every meaning with its moments, oldest first; 404 outside the token."""
        who.ensure(district)
        meanings = await desk.history(district, entity, [id])
        return JSONResponse(
            {
                "district": district,
                "entity": entity,
                "id": id,
                "outsideIds": [_meaning_page(meaning) for meaning in meanings],
            }
        )


def order(items_hash: str | None, who: Operator, *, dry_run: bool) -> Order:
    """What the person wants, for the use cases that decide about ids."""
    return Order(
        subject=who.subject,
        correlation_id=current_correlation_id(),
        dry_run=dry_run,
        items_hash=items_hash,
    )


def answer(done: Decided | TooSilent | str, body: BaseModel, *, dry_run: bool) -> JSONResponse:
    """What was asked and what became of it. Raises the problem that a refusal is."""
    if isinstance(done, TooSilent):
        counts = ", ".join(f"{count} {entity}" for entity, count in sorted(done.counts.items()))
        told = f"Would fall silent: {counts}. Give the school to their source first"
        raise problem(409, "would_silence", "merge", detail=told)
    if not isinstance(done, Decided):
        raise problem(*_FAULTS[done])
    asked = body.model_dump(mode="json", exclude={"itemsHash"})
    return JSONResponse({**asked, "dryRun": dry_run, **_decided_page(done, dry_run=dry_run)})


def problem(status: int, code: str, field: str, *, detail: str | None = None) -> Problem:
    """Why it is not done: a code and the field that it is about."""
    return Problem(
        status,
        code,
        "Nothing was done about these ids",
        detail,
        errors=[FieldError(field=field, message=code, location="body")],
    )


def _decided_page(done: Decided, *, dry_run: bool) -> Mapping[str, Any]:
    return {
        "decisionId": None if dry_run else done.decision_id,
        "itemsHash": done.items_hash,
        "moves": [
            {
                "source": move.source_id,
                "externalId": move.external_id,
                "from": move.was,
                "to": move.entity_id,
            }
            for move in done.moves
        ],
        "count": len(done.touched),
        "counts": _counts(done),
        "touched": [
            {"entity": one.entity, "id": one.entity_id, "action": one.action}
            for one in done.touched[:_MOST_TOLD]
        ],
        "correlationId": current_correlation_id(),
    }


def _counts(done: Decided) -> Mapping[str, Mapping[str, int]]:
    """How many, by action and entity."""
    found: dict[str, dict[str, int]] = {}
    for one in done.touched:
        of_action = found.setdefault(one.action, {})
        of_action[one.entity] = of_action.get(one.entity, 0) + 1
    return found


def _named(meanings: Sequence[Meaning]) -> str:
    """Our ids and what touched them; never an outside id, which may be an address."""
    by = sorted({f"{m.entity_id} by {m.decision_id or m.match_rule}" for m in meanings})
    return f"Touched since: {', '.join(by[:_MOST_NAMED])}"


def _meaning_page(meaning: Meaning) -> Mapping[str, Any]:
    return {
        "source": meaning.source_id,
        "externalId": meaning.external_id,
        "id": meaning.entity_id,
        "matchRule": meaning.match_rule,
        "decidedBy": meaning.decided_by,
        "decisionId": meaning.decision_id,
        "validFrom": meaning.valid_from.isoformat(),
        "validTo": None if meaning.valid_to is None else meaning.valid_to.isoformat(),
    }
