"""`/crosswalk/suggestions`: two of our ids that may be one, for operators to say."""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Query
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict

from roster_common.contracts.values import Text
from roster_common.runtime.problems import Problem
from roster_common.runtime.tokens import Operator
from sis_ingest.domain.suggestions import Suggestion
from sis_ingest.entrypoints.http.crosswalk import DryRun, Id, ItemsHash, answer, order, problem
from sis_ingest.entrypoints.http.snapshots import Gate
from sis_ingest.ports.desks import SuggestionDesk
from sis_ingest.usecases.decide_suggestion import DecideSuggestion

MAX_PAGE: Final = 500
_FAULTS: Final[Mapping[str, tuple[int, str]]] = {
    "ended": (409, "suggestionId"),
    "not_of_it": (422, "keep"),
    "merged_away": (409, "suggestionId"),
    "hash_differs": (409, "itemsHash"),
}


class Confirmation(BaseModel):
    """Which of the two stays, by default the one known for longer; and what was looked at."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    keep: Id | None = None
    itemsHash: ItemsHash | None = None  # noqa: N815 - the wire's own name


def suggestion_routes(
    decide: DecideSuggestion, desk: SuggestionDesk, *, viewer: Gate, approver: Gate
) -> APIRouter:
    """The door for suggestions; a token sees those of its districts alone."""
    router = APIRouter(tags=["crosswalk"])

    @router.get("/crosswalk/suggestions", summary="Ids that may be one, and what was said of them")
    async def page(
        who: Annotated[Operator, Depends(viewer)],
        district: Annotated[Text | None, Query(min_length=1)] = None,
        state: Literal["open", "confirmed", "dismissed", "all"] = "open",
        limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 100,
        offset: Annotated[int, Query(ge=0, le=2**31)] = 0,
    ) -> JSONResponse:
        """A page, newest first, and how many match in all; ids, never names."""
        if district is not None:
            who.ensure(district)
        total, found = await desk.page(
            who.districts if district is None else [district],
            None if state == "all" else state,
            limit=limit,
            offset=offset,
        )
        return JSONResponse({"total": total, "suggestions": [suggestion_page(s) for s in found]})

    @router.post("/crosswalk/suggestions/{suggestion_id}/confirm", summary="The two are one")
    async def confirm(
        suggestion_id: str,
        who: Annotated[Operator, Depends(approver)],
        body: Confirmation | None = None,
        *,
        dry_run: DryRun = False,
    ) -> JSONResponse:
        """Merges them: what was told again, as a merge says it; 409 when it was decided before."""
        body = body or Confirmation()
        found = await _found(desk, suggestion_id, who)
        done = await decide.confirm(
            found, keep=body.keep, order=order(body.itemsHash, who, dry_run=dry_run)
        )
        if isinstance(done, str) and done in _FAULTS:
            status, field = _FAULTS[done]
            raise problem(status, done, field)
        return answer(done, body, dry_run=dry_run)

    @router.post("/crosswalk/suggestions/{suggestion_id}/dismiss", summary="The two are two")
    async def dismiss(
        suggestion_id: str, who: Annotated[Operator, Depends(approver)]
    ) -> JSONResponse:
        """The suggestion as it stands; 409 when it was confirmed before."""
        found = await _found(desk, suggestion_id, who)
        after = await decide.dismiss(found, order=order(None, who, dry_run=False))
        if after.state != "dismissed":
            raise problem(409, "ended", "suggestionId")
        return JSONResponse(suggestion_page(after))

    return router


async def _found(desk: SuggestionDesk, suggestion_id: str, who: Operator) -> Suggestion:
    found = await desk.get(suggestion_id)
    if found is None or not who.may_see(found.district_id):
        raise Problem(404, "unknown_suggestion", "There is no such suggestion here")
    return found


def suggestion_page(suggestion: Suggestion) -> Mapping[str, Any]:
    """A suggestion as JSON: ids and a rule, never content."""
    at = suggestion.decided_at
    return {
        "suggestionId": suggestion.suggestion_id,
        "district": suggestion.district_id,
        "entity": suggestion.entity,
        "id": suggestion.one_id,
        "otherId": suggestion.other_id,
        "matchRule": suggestion.rule,
        "score": suggestion.score,
        "state": suggestion.state,
        "suggestedAt": suggestion.suggested_at.isoformat(),
        "decidedBy": suggestion.decided_by,
        "decidedAt": None if at is None else at.isoformat(),
    }
