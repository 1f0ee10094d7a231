"""`POST /crosswalk/merge` and `GET /crosswalk`: which outside ids mean which of ours."""

from collections.abc import Mapping
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
from sis_ingest.ports import CrosswalkDesk
from sis_ingest.usecases.merge import Merge, Merged, NotMerged, Pair

# Entities with ids of their own: demographics carry their user's, and go with it.
Owner = Literal["org", "academicSession", "course", "class", "user", "enrollment"]
Id = Annotated[Text, Field(min_length=1, max_length=255)]

_MOST_TOLD: Final = 1_000
_FAULTS: Final[Mapping[NotMerged, tuple[int, str, str]]] = {
    "unknown_keep": (404, "unknown_id", "keep"),
    "unknown_merge": (404, "unknown_id", "merge"),
    "keep_was_merged": (409, "merged_away", "keep"),
    "merge_was_merged": (409, "merged_away", "merge"),
}


class MergeBody(BaseModel):
    """Ids of ours; what meant `merge` means `keep` from then on."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    district: Id
    entity: Owner
    keep: Id
    merge: Id


def crosswalk_routes(
    merge: Merge, desk: CrosswalkDesk, *, approver: Gate, viewer: Gate
) -> APIRouter:
    """The merge and the look."""
    router = APIRouter(tags=["crosswalk"])

    @router.post("/crosswalk/merge", summary="Say that two of our ids are one")
    async def merge_ids(
        body: MergeBody,
        who: Annotated[Operator, Depends(approver)],
        *,
        dry_run: Annotated[bool, Query(alias="dryRun")] = False,
    ) -> JSONResponse:
        """What was told again, committed; 404 an id never given out, 409 one merged away."""
        who.ensure(body.district)
        if body.keep == body.merge:
            raise _problem(422, "same_id", "merge")
        done = await merge(
            Pair(district_id=body.district, entity=body.entity, keep=body.keep, merge=body.merge),
            subject=who.subject,
            correlation_id=current_correlation_id(),
            dry_run=dry_run,
        )
        if not isinstance(done, Merged):
            raise _problem(*_FAULTS[done])
        return JSONResponse(_merged_page(body, done, dry_run=dry_run))

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

    return router


def _problem(status: int, code: str, field: str) -> Problem:
    return Problem(
        status,
        code,
        "These ids cannot be merged",
        errors=[FieldError(field=field, message=code, location="body")],
    )


def _merged_page(body: MergeBody, done: Merged, *, dry_run: bool) -> Mapping[str, Any]:
    return {
        "district": body.district,
        "entity": body.entity,
        "keep": body.keep,
        "merge": body.merge,
        "dryRun": dry_run,
        "count": len(done.touched),
        "touched": [
            {"entity": one.entity, "id": one.entity_id, "action": one.action}
            for one in done.touched[:_MOST_TOLD]
        ],
        "correlationId": current_correlation_id(),
    }


def _meaning_page(meaning: Meaning) -> Mapping[str, Any]:
    return {
        "source": meaning.source_id,
        "externalId": meaning.external_id,
        "id": meaning.entity_id,
        "matchRule": meaning.match_rule,
        "decidedBy": meaning.decided_by,
        "validFrom": meaning.valid_from.isoformat(),
        "validTo": None if meaning.valid_to is None else meaning.valid_to.isoformat(),
    }
