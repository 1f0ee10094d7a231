"""Doors for operators: vendors, what they are granted, and their secrets. Source: ADR 0029."""

from datetime import datetime
from typing import Annotated, Final, TypeVar

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from roster_common.contracts.values import Text
from roster_common.runtime.problems import Problem
from roster_common.runtime.tokens import Operator, Operators
from roster_publisher.domain.administration import MOST_SECRETS, UNKNOWN, NotDone
from roster_publisher.entrypoints.http.vendor_orders import (
    ClientId,
    DifferenceAnswer,
    DoubtAnswer,
    GrantOrder,
    RotateOrder,
    VendorAnswer,
    VendorOrder,
    VersionOrder,
    difference_answers,
    doubt_answers,
    vendor_answer,
)
from roster_publisher.ports import Clock
from roster_publisher.ports.administering import VendorAdmin
from roster_publisher.ports.audit import AuditReads
from roster_publisher.usecases.administer_vendors import AdministerVendors

District = Annotated[Text, Query(min_length=1, max_length=200)]
Outcome = TypeVar("Outcome")
_ANY_VERSION: Final = VersionOrder()
DryRun = Annotated[bool, Query(alias="dryRun")]

_NOT_DONE: Final = {
    "vendor_unknown": (404, "There is no such vendor in this district", None),
    "vendor_configured": (
        409,
        "This vendor stands in HOMEROOM_CLIENTS",
        "Change it there and restart roster-publisher.",
    ),
    "vendor_taken": (409, "This client id is in use", None),
    "hash_key_missing": (
        409,
        "HOMEROOM_HASH_KEY is missing, which a field that is hashed needs",
        None,
    ),
    "vendor_secrets_full": (
        409,
        f"{MOST_SECRETS} secrets of this vendor count already",
        "Wait until one has ended, or end them all with overlapHours 0 (--now).",
    ),
    "vendor_changed": (409, "The vendor has changed since it was looked at", "Look again."),
}


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, alias_generator=to_camel, populate_by_name=True)


class VendorsAnswer(_Answer):
    """Every vendor of a district, by id."""

    district: str
    vendors: list[VendorAnswer]


class MadeAnswer(_Answer):
    """A vendor that was made, or would be. `secret` is told this once, and null of a dry run."""

    vendor: VendorAnswer
    secret: str | None
    warnings: list[DoubtAnswer]
    collections: dict[str, DifferenceAnswer]


class RotatedAnswer(_Answer):
    """A fresh secret, told this once. `tokensCut` are those in force that end earlier by it;
    `version` is the vendor's before.
    """

    client: str
    version: str
    secret: str | None
    old_until: datetime
    tokens_cut: int


class ChangedAnswer(_Answer):
    """A grant as it stands, and what was or would be changed of it. `collections` are told of a dry
    run: how much the vendor would gain and lose.
    """

    vendor: VendorAnswer
    changed: list[str]
    warnings: list[DoubtAnswer]
    collections: dict[str, DifferenceAnswer]


class RevokedAnswer(_Answer):
    """A vendor that has ended, or would, with its tokens; `version` is its last."""

    client: str
    version: str
    tokens_ended: int
    collections: dict[str, DifferenceAnswer]


def vendor_routes(
    operators: Operators,
    administer: AdministerVendors,
    admin: VendorAdmin,
    audit: AuditReads,
    clock: Clock,
) -> APIRouter:
    """`GET /vendors`, `GET /vendors/{client}` (viewer); `POST /vendors`, and `/rotate`, `/grant`,
    `/revoke` of one (admin).
    """
    router = APIRouter()
    _look(router, operators, admin, audit, clock)
    _grant(router, operators, administer, clock)
    _rotate(router, operators, administer)
    _revoke(router, operators, administer)
    return router


def _look(
    router: APIRouter, operators: Operators, admin: VendorAdmin, audit: AuditReads, clock: Clock
) -> None:
    viewer = operators.require("viewer")

    @router.get("/vendors", summary="The vendors of a district")
    async def list_vendors(
        district: District, operator: Annotated[Operator, Depends(viewer)]
    ) -> VendorsAnswer:
        """What each is granted; 404 outside the token."""
        operator.ensure(district)
        pulls = await audit.latest_pulls(district)
        found = await admin.all(district)
        told = [vendor_answer(one, now=clock.now(), last=pulls.get(one.client_id)) for one in found]
        return VendorsAnswer(district=district, vendors=told)

    @router.get("/vendors/{client}", summary="One vendor")
    async def show_vendor(
        client: ClientId, district: District, operator: Annotated[Operator, Depends(viewer)]
    ) -> VendorAnswer:
        """What it is granted."""
        operator.ensure(district)
        found = _done(await admin.find(district, client) or UNKNOWN)
        pulls = await audit.last_pulls(district, client)
        return vendor_answer(found, now=clock.now(), last=max(pulls.values(), default=None))


def _grant(
    router: APIRouter, operators: Operators, administer: AdministerVendors, clock: Clock
) -> None:
    changer = operators.require("admin")

    @router.post("/vendors", status_code=201, summary="Make a vendor")
    async def create_vendor(
        district: District,
        order: VendorOrder,
        operator: Annotated[Operator, Depends(changer)],
        *,
        dry_run: DryRun = False,
    ) -> MadeAnswer:
        """Its secret is in the answer and nowhere else. 409 for an id in use."""
        operator.ensure(district)
        now = clock.now()
        grant = order.grant(district, now=now)
        made = _done(await administer.create(grant, by=operator.subject, dry_run=dry_run))
        return MadeAnswer(
            vendor=vendor_answer(made.client, now=now),
            secret=made.secret,
            warnings=doubt_answers(made.warnings),
            collections=difference_answers(made.differences),
        )

    @router.post("/vendors/{client}/grant", summary="Change what a vendor is granted")
    async def change_grant(
        client: ClientId,
        district: District,
        order: GrantOrder,
        operator: Annotated[Operator, Depends(changer)],
        *,
        dry_run: DryRun = False,
    ) -> ChangedAnswer:
        """What is not named stays. A dry run counts what would be gained and lost; where it names a
        new rule, the district's publication waits meanwhile.
        """
        operator.ensure(district)
        now = clock.now()
        changed = _done(
            await administer.grant(
                district,
                client,
                change=lambda grant: order.over(grant, now=now),
                version=order.if_version,
                by=operator.subject,
                dry_run=dry_run,
            )
        )
        return ChangedAnswer(
            vendor=vendor_answer(changed.client, now=now),
            changed=list(changed.changed),
            warnings=doubt_answers(changed.warnings),
            collections=difference_answers(changed.differences),
        )


def _rotate(router: APIRouter, operators: Operators, administer: AdministerVendors) -> None:
    changer = operators.require("admin")

    @router.post("/vendors/{client}/rotate", summary="Give a vendor a fresh secret")
    async def rotate_secret(
        client: ClientId,
        district: District,
        order: RotateOrder,
        operator: Annotated[Operator, Depends(changer)],
        *,
        dry_run: DryRun = False,
    ) -> RotatedAnswer:
        """The old secret counts for a day, or as ordered; tokens given for it end with it. 409 when
        five count already, unless they are to end now.
        """
        operator.ensure(district)
        rotated = _done(
            await administer.rotate(
                district,
                client,
                overlap=order.overlap,
                version=order.if_version,
                by=operator.subject,
                dry_run=dry_run,
            )
        )
        return RotatedAnswer(
            client=client,
            version=rotated.version,
            secret=rotated.secret,
            old_until=rotated.old_until,
            tokens_cut=rotated.tokens,
        )


def _revoke(router: APIRouter, operators: Operators, administer: AdministerVendors) -> None:
    changer = operators.require("admin")

    @router.post("/vendors/{client}/revoke", summary="End a vendor")
    async def revoke_vendor(
        client: ClientId,
        district: District,
        operator: Annotated[Operator, Depends(changer)],
        order: VersionOrder = _ANY_VERSION,
        *,
        dry_run: DryRun = False,
    ) -> RevokedAnswer:
        """Its secrets, tokens and grant end at once here, and within two seconds in other replicas.
        What it pulled stays in the audit.
        """
        operator.ensure(district)
        revoked = _done(
            await administer.revoke(
                district,
                client,
                version=order.if_version,
                by=operator.subject,
                dry_run=dry_run,
            )
        )
        return RevokedAnswer(
            client=client,
            version=revoked.version,
            tokens_ended=revoked.tokens,
            collections=difference_answers(revoked.differences),
        )


def _done(outcome: Outcome | NotDone) -> Outcome:
    """The outcome. Raises the problem that says why nothing was done."""
    if isinstance(outcome, NotDone):
        status, title, detail = _NOT_DONE[outcome.why]
        raise Problem(status, outcome.why, title, detail)
    return outcome
