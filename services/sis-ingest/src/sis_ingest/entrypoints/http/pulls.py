"""`POST /pulls/{source}`, `GET /pulls`, `GET /pulls/{id}` and `…/examine`: sources as read."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query
from fastapi.responses import JSONResponse

from roster_common.contracts.values import Text
from roster_common.errors import Invalid
from roster_common.runtime.correlation import current_correlation_id
from roster_common.runtime.problems import Problem
from roster_common.runtime.tokens import Operator
from sis_ingest.domain.pulls import Pull, Section
from sis_ingest.entrypoints.http.snapshots import Gate
from sis_ingest.ports.pull_stores import PullDesk
from sis_ingest.ports.pulls import Finding, Pulling, SourceAway
from sis_ingest.ports.sources import Source, Sources
from sis_ingest.usecases.ask_pull import AskPull


def pull_routes(
    ask: AskPull, sources: Sources, desk: PullDesk, *, operator: Gate, viewer: Gate
) -> APIRouter:
    """The door for pulls."""
    router = APIRouter(tags=["pulls"])

    @router.post("/pulls/{source}", status_code=202, summary="Read a source now")
    async def begin(
        source: Text,
        who: Annotated[Operator, Depends(operator)],
        mode: Annotated[Literal["full", "delta"], Query()] = "delta",
        *,
        dry_run: Annotated[bool, Query(alias="dryRun")] = False,
    ) -> JSONResponse:
        """The waiting pull, durable on return; 404 for a source, 409 while one of it is open."""
        found, _ = _pulled(sources, source, who)
        pull = await ask(found, mode, correlation_id=current_correlation_id(), dry_run=dry_run)
        if pull is None:
            raise Problem(409, "pull_open", "This source is being read already")
        return JSONResponse(
            {"pullId": pull.pull_id, "correlationId": pull.correlation_id, "mode": pull.mode},
            202,
            headers={"Location": f"/pulls/{pull.pull_id}"},
        )

    @router.get("/pulls", summary="Pulls, newest first")
    async def page(
        who: Annotated[Operator, Depends(viewer)],
        district: Annotated[Text | None, Query(min_length=1)] = None,
        source: Annotated[Text | None, Query(min_length=1)] = None,
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
        offset: Annotated[int, Query(ge=0, le=2**31)] = 0,
    ) -> JSONResponse:
        """A page of pulls, and how many there are in all; 404 outside the token."""
        if district is not None:
            who.ensure(district)
        total, pulls = await desk.page(
            who.districts if district is None else [district], source, limit=limit, offset=offset
        )
        return JSONResponse({"total": total, "pulls": [pull_page(pull) for pull in pulls]})

    @router.get("/pulls/{pull_id}", summary="How far a pull is")
    async def one(pull_id: Text, who: Annotated[Operator, Depends(viewer)]) -> JSONResponse:
        pull = await desk.get(pull_id)
        if pull is None or not who.may_see(pull.place.district_id):
            raise Problem(404, "unknown_pull", "There is no such pull here")
        return JSONResponse(pull_page(pull))

    return router


def examination_routes(sources: Sources, *, operator: Gate) -> APIRouter:
    """What sources say of themselves, asked now."""
    router = APIRouter(tags=["pulls"])

    @router.get("/sources/{source}/examine", summary="What is well with a source, asked of it now")
    async def examine(source: Text, who: Annotated[Operator, Depends(operator)]) -> JSONResponse:
        """Findings, read from the source; nothing is changed. 404 for a source."""
        _, pulling = _pulled(sources, source, who)
        return JSONResponse(await _findings(pulling, repair=False))

    @router.post("/sources/{source}/repair", summary="Put right at a source what we may")
    async def repair(source: Text, who: Annotated[Operator, Depends(operator)]) -> JSONResponse:
        """What was put right (a subscription set up), then the findings. May run twice."""
        _, pulling = _pulled(sources, source, who)
        return JSONResponse(await _findings(pulling, repair=True))

    return router


async def _findings(pulling: Pulling, *, repair: bool) -> Mapping[str, Any]:
    repaired: Sequence[Finding] = ()
    try:
        repaired = await pulling.client.repair() if repair else ()
        found = await pulling.client.examine()
    except (SourceAway, Invalid) as error:
        found = [Finding(what="access", ok=False, detail=error.reason)]
    return {
        "ok": all(finding.ok for finding in found),
        "repaired": [_finding(finding) for finding in repaired],
        "findings": [_finding(finding) for finding in found],
    }


def _finding(finding: Finding) -> Mapping[str, Any]:
    return {"what": finding.what, "ok": finding.ok, "detail": finding.detail}


def _pulled(sources: Sources, source_id: str, who: Operator) -> tuple[Source, Pulling]:
    found = sources.get(source_id)
    if found is None or found.pulling is None or not who.may_see(found.place.district_id):
        raise Problem(404, "unknown_source", "There is no such pulled source here")
    return found, found.pulling


def pull_page(pull: Pull) -> Mapping[str, Any]:
    """A pull as JSON: counts and codes, no cursor and nothing of an item."""
    return {
        "pullId": pull.pull_id,
        "sourceId": pull.place.source_id,
        "districtId": pull.place.district_id,
        "correlationId": pull.correlation_id,
        "mode": pull.mode,
        "fullBecause": pull.full_because,
        "state": pull.state,
        "dryRun": pull.dry_run,
        "askedAt": pull.asked_at.isoformat(),
        "startedAt": None if pull.started_at is None else pull.started_at.isoformat(),
        "finishedAt": None if pull.finished_at is None else pull.finished_at.isoformat(),
        "since": pull.asks_since,
        "failures": pull.failures,
        "restarts": pull.restarts,
        "reason": pull.reason,
        "runId": pull.run_id,
        "items": pull.items,
        "sections": {name: _section(one) for name, one in pull.sections.items()},
    }


def _section(section: Section) -> Mapping[str, Any]:
    return {
        "pages": section.pages,
        "items": section.items,
        "total": section.total,
        "done": section.done,
        "fault": section.fault,
    }
