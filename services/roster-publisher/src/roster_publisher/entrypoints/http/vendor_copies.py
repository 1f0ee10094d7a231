"""Door for operators: what a vendor has of one person. Ids and names of fields, no values."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query
from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from roster_common.contracts.values import Text
from roster_common.runtime.problems import Problem
from roster_common.runtime.tokens import Operator, Operators
from roster_publisher.domain.copies import VendorCopy
from roster_publisher.domain.records import Entity
from roster_publisher.entrypoints.http.vendor_orders import ClientId
from roster_publisher.usecases.report_copies import CopiesReport, ReportCopies

District = Annotated[Text, Query(min_length=1, max_length=200)]


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, alias_generator=to_camel, populate_by_name=True)


class FieldAnswer(_Answer):
    """A field that was sent, by its path. `transform` is `hash` or `year`, or null for as it is."""

    name: str
    transform: str | None


class RecordAnswer(_Answer):
    """One record. `state` is `active`, `tobedeleted` (it was deleted) or `left` (the vendor no
    longer sees it); then `tombstone` is when the vendor was told so. `since` is when it first came
    into the vendor's view, `pulled` when the vendor last pulled records of this kind.
    """

    kind: str
    id: str
    state: str
    since: datetime | None
    changed: datetime
    tombstone: datetime | None
    pulled: datetime | None
    fields: list[FieldAnswer]


class AgreementAnswer(_Answer):
    """Under which agreement, for what, until when, and whether it is in force."""

    reference: str | None
    purpose: str | None
    ends: datetime | None
    in_force: bool


class CopiesAnswer(_Answer):
    """What a vendor has of one person. `grantChanged` is since when the vendor sees what it sees,
    if that was ever changed; `told` is when a webhook last told it anything.
    """

    client: str
    district: str
    person_id: str
    agreement: AgreementAnswer
    grant_changed: datetime | None
    told: datetime | None
    records: list[RecordAnswer]


def copies_routes(operators: Operators, report: ReportCopies) -> APIRouter:
    """`GET /vendors/{client}/people/{personId}` (viewer)."""
    router = APIRouter()
    viewer = operators.require("viewer")

    @router.get(
        "/vendors/{client}/people/{person_id:path}", summary="What a vendor has of one person"
    )
    async def show_copies(
        client: ClientId,
        person_id: Annotated[Text, Path(max_length=255)],
        district: District,
        operator: Annotated[Operator, Depends(viewer)],
    ) -> CopiesAnswer:
        """Records and fields, without values; no records for a person it never saw, or whose
        tombstones are past their time. 404 for a client that the district does not have.
        """
        operator.ensure(district)
        found = await report(district, client, person_id)
        if found is None:
            raise Problem(404, "vendor_unknown", "There is no such vendor in this district")
        return _answer(found, person_id)

    return router


def _answer(found: CopiesReport, person_id: str) -> CopiesAnswer:
    grant = found.grant
    return CopiesAnswer(
        client=grant.client_id,
        district=grant.district_id,
        person_id=person_id,
        agreement=AgreementAnswer(
            reference=grant.agreement,
            purpose=grant.purpose,
            ends=grant.expires_at,
            in_force=found.in_force,
        ),
        grant_changed=grant.since_stamp,
        told=found.told_at,
        records=[_record(one, found.pulled_at) for one in found.copies],
    )


def _record(copy: VendorCopy, pulled_at: Mapping[Entity, datetime]) -> RecordAnswer:
    return RecordAnswer(
        kind=copy.entity,
        id=copy.sourced_id,
        state=copy.state,
        since=copy.since,
        changed=copy.changed_at,
        tombstone=None if copy.state == "active" else copy.changed_at,
        pulled=pulled_at.get(copy.entity),
        fields=[FieldAnswer(name=one.name, transform=one.how) for one in copy.fields],
    )
