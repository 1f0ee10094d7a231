"""A run's report as the JSON column keeps it, both ways. Pure."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from sis_ingest.domain.entities import ENTITIES
from sis_ingest.domain.runs import Counts, Problem, RefusedRows, Report


def to_json(report: Report) -> dict[str, Any]:
    """Plain JSON values; holds codes, file names and numbers, never a value of a row."""
    return {
        "collections": {entity: asdict(c) for entity, c in report.collections.items()},
        "problems": [asdict(problem) for problem in report.problems],
        "warnings": [asdict(warning) for warning in report.warnings],
        "refusals": [asdict(refusal) for refusal in report.refusals],
        "holds": list(report.holds),
    }


def from_json(body: Mapping[str, Any]) -> Report:
    """The report again; an empty object is an empty report."""
    return Report(
        collections={
            ENTITIES[entity]: Counts(**counts)
            for entity, counts in body.get("collections", {}).items()
        },
        problems=tuple(Problem(**one) for one in body.get("problems", ())),
        warnings=tuple(Problem(**one) for one in body.get("warnings", ())),
        refusals=tuple(RefusedRows(**one) for one in body.get("refusals", ())),
        holds=tuple(body.get("holds", ())),
    )
