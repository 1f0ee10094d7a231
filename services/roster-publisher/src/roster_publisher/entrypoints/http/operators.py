"""Doors for operators: where publication stands, and republishing. Every page needs a token."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from roster_common.contracts.values import Text
from roster_common.runtime.correlation import current_correlation_id
from roster_common.runtime.tokens import Operator, Operators
from roster_publisher.ports.operating import StatusReads
from roster_publisher.usecases.republish import Republish

District = Annotated[Text, Query(min_length=1, max_length=200)]


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, alias_generator=to_camel, populate_by_name=True)


class EntityCounts(_Answer):
    """Records of one entity: shown and active, shown as deleted, waiting for what they need."""

    active: int
    tobedeleted: int
    hidden: int


class StatusAnswer(_Answer):
    """Where a district's publication stands."""

    district: str
    revision: int
    stamp: str | None
    objects: dict[str, EntityCounts]
    dangling: int
    dirty_people: int
    dirty_classes: int


class RepublishAnswer(_Answer):
    """How many people and classes will be emitted again."""

    district: str
    marked: int
    correlation_id: str


def operator_routes(operators: Operators, status: StatusReads, republish: Republish) -> APIRouter:
    """`GET /status` (viewer) and `POST /republish` (admin)."""
    router = APIRouter()
    viewer = operators.require("viewer")
    admin = operators.require("admin")

    @router.get("/status", summary="Where a district's publication stands")
    async def show_status(
        district: District, operator: Annotated[Operator, Depends(viewer)]
    ) -> StatusAnswer:
        """Counts of one district, zeros for one never heard of; 404 outside the token."""
        operator.ensure(district)
        report = await status.report(district)
        return StatusAnswer(
            district=district,
            revision=report.revision,
            stamp=report.stamp.isoformat() if report.stamp else None,
            objects={entity: EntityCounts(**counts) for entity, counts in report.objects.items()},
            dangling=report.dangling,
            dirty_people=report.dirty_people,
            dirty_classes=report.dirty_classes,
        )

    @router.post("/republish", status_code=202, summary="Emit every person and class again")
    async def start_republish(
        district: District, operator: Annotated[Operator, Depends(admin)]
    ) -> RepublishAnswer:
        operator.ensure(district)
        found = current_correlation_id()
        outcome = await republish(district, correlation_id=found)
        return RepublishAnswer(district=district, marked=outcome.marked, correlation_id=found)

    return router
