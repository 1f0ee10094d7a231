"""`POST /snapshots/{source}` and `GET /snapshots/{id}`: files in, reports out."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import JSONResponse
from pydantic import AwareDatetime

from roster_common.contracts.values import Text
from roster_common.errors import Invalid
from roster_common.runtime.correlation import current_correlation_id
from roster_common.runtime.problems import FieldError, Problem
from roster_common.runtime.tokens import Operator
from sis_ingest.domain.runs import Counts, Run, RunState
from sis_ingest.domain.runs import Problem as RunProblem
from sis_ingest.entrypoints.http.bodies import body_pieces, too_large
from sis_ingest.ports.desks import RunDesk
from sis_ingest.ports.files import TooLarge
from sis_ingest.ports.sources import Source, Sources
from sis_ingest.usecases.accept_snapshot import AcceptSnapshot

MAX_PAGE: Final = 200

Gate = Callable[[Request], Awaitable[Operator]]


def snapshot_routes(
    accept: AcceptSnapshot, sources: Sources, runs: RunDesk, *, operator: Gate, viewer: Gate
) -> APIRouter:
    """The door for files; `operator` and `viewer` are the gates of the two pages."""
    router = APIRouter(tags=["snapshots"])

    @router.post("/snapshots/{source}", status_code=202, summary="A file of a source")
    async def take(
        source: str,
        request: Request,
        who: Annotated[Operator, Depends(operator)],
        as_of: Annotated[AwareDatetime | None, Query(alias="asOf")] = None,
        *,
        dry_run: Annotated[bool, Query(alias="dryRun")] = False,
    ) -> JSONResponse:
        """Ids of the run, durable on return; 404 for a source, 413 too large, 422 unusable.

        A package (zip), or a single CSV where the source's reader takes one.
        """
        found = _source(sources, source, who)
        try:
            run = await accept(
                found,
                body_pieces(request),
                correlation_id=current_correlation_id(),
                as_of=as_of,
                dry_run=dry_run,
            )
        except TooLarge:
            raise too_large(accept.limit_bytes) from None
        except Invalid as error:
            raise Problem(
                422,
                "invalid_snapshot",
                "The file cannot be taken",
                errors=[FieldError(field=error.field or "body", message=error.reason)],
            ) from None
        return JSONResponse(
            {
                "runId": run.run_id,
                "correlationId": run.correlation_id,
                "deliveryId": run.delivery_id,
            },
            202,
            headers={"Location": f"/snapshots/{run.run_id}"},
        )

    @router.get("/snapshots/{run_id}", summary="How far a run is, and what it found")
    async def report(run_id: str, who: Annotated[Operator, Depends(viewer)]) -> JSONResponse:
        run = await runs.get(run_id)
        if run is None or not who.may_see(run.place.district_id):
            raise Problem(404, "unknown_run", "There is no such run here")
        return JSONResponse(run_page(run))

    return router


def run_routes(runs: RunDesk, *, viewer: Gate) -> APIRouter:
    """The list of runs."""
    router = APIRouter(tags=["snapshots"])

    @router.get("/runs", summary="Runs of files and pulls, newest first")
    async def page(
        who: Annotated[Operator, Depends(viewer)],
        district: Annotated[Text | None, Query(min_length=1)] = None,
        source: Annotated[Text | None, Query(min_length=1)] = None,
        state: RunState | None = None,
        limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 50,
        offset: Annotated[int, Query(ge=0, le=2**31)] = 0,
    ) -> JSONResponse:
        """A page of reports, and how many match in all; 404 outside the token."""
        if district is not None:
            who.ensure(district)
        total, found = await runs.page(
            who.districts if district is None else [district],
            source,
            state,
            limit=limit,
            offset=offset,
        )
        return JSONResponse({"total": total, "runs": [run_page(run) for run in found]})

    return router


def _source(sources: Sources, source_id: str, who: Operator) -> Source:
    found = sources.get(source_id)
    if found is None or found.snapshot is None or not who.may_see(found.place.district_id):
        raise Problem(404, "unknown_source", "There is no such source here")
    return found


def run_page(run: Run) -> Mapping[str, Any]:
    """A run as JSON. Codes, file names, columns and counts; never a value of a row."""
    report = run.report
    total = report.total()
    return {
        "runId": run.run_id,
        "sourceId": run.place.source_id,
        "districtId": run.place.district_id,
        "correlationId": run.correlation_id,
        "deliveryId": run.delivery_id,
        "state": run.state,
        "origin": run.origin,
        "dryRun": run.dry_run,
        "replayId": run.replay_id,
        "percent": run.percent,
        "reason": run.reason,
        "asOf": run.as_of.isoformat(),
        "unchangedFiles": {file: at.isoformat() for file, at in run.unchanged.items()},
        "receivedAt": run.received_at.isoformat(),
        "startedAt": None if run.started_at is None else run.started_at.isoformat(),
        "finishedAt": None if run.finished_at is None else run.finished_at.isoformat(),
        "bytes": run.file_bytes,
        "sha256": run.sha256,
        "counts": {
            entity: {
                "read": counts.read,
                "changed": counts.changed,
                "unchanged": counts.unchanged,
                "refused": counts.refused,
                "missing": counts.missing,
            }
            for entity, counts in report.collections.items()
        },
        "removals": {
            **_removals(total),
            "byEntity": {entity: _removals(c) for entity, c in report.collections.items()},
        },
        "additions": {
            **_additions(total),
            "byEntity": {entity: _additions(c) for entity, c in report.collections.items()},
        },
        "keyChanges": total.rekeyed,
        "holds": list(report.holds),
        "problems": [_problem(problem) for problem in report.problems],
        "warnings": [_problem(warning) for warning in report.warnings],
        "refusals": [
            {
                "file": refused.file,
                "reason": refused.reason,
                "field": refused.field,
                "count": refused.count,
                "firstRow": refused.first_row,
            }
            for refused in report.refusals
        ],
    }


def _removals(counts: Counts) -> Mapping[str, int]:
    """What is gone, waits or was left alone; in a dry run what would be."""
    return {
        "missing": counts.missing,
        "applied": counts.removed + counts.deleted,
        "held": counts.held_removals,
        "skipped": counts.skipped,
    }


def _additions(counts: Counts) -> Mapping[str, int]:
    return {"applied": counts.added, "held": counts.held_additions}


def _problem(problem: RunProblem) -> Mapping[str, Any]:
    page = {
        "code": problem.code,
        "file": problem.file,
        "row": problem.row,
        "column": problem.column,
    }
    return {name: value for name, value in page.items() if value is not None}
