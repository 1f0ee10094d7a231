"""Counting what a run found, and turning what happened into events of the house."""

from sis_ingest.adapters.events import to_data
from sis_ingest.adapters.postgres.reports import from_json, to_json
from sis_ingest.domain.deliveries import Place
from sis_ingest.domain.events import (
    ChangeReceived,
    RecordToBeDeleted,
    RecordUpserted,
    SnapshotMoved,
)
from sis_ingest.domain.runs import (
    Counts,
    Problem,
    RefusedRows,
    Report,
    RowRefusal,
    Run,
    tally,
    too_many_bad,
)
from tests.support.ingesting import CAUSE, NOW, user

REPORT = Report(
    collections={"user": Counts(read=9, changed=3, unchanged=5, refused=1, missing=2)},
    warnings=(Problem(code="unknown_column", file="orgs.csv", row=1, column="x"),),
    refusals=(RefusedRows(file="users.csv", reason="missing", field="role", count=1, first_row=4),),
)
RUN = Run(
    run_id="r",
    delivery_id="d",
    correlation_id="c",
    place=Place(district_id="d1", source_id="sis"),
    state="completed",
    origin="firstload",
    file_name="f",
    file_bytes=1,
    sha256="ab",
    received_at=NOW,
    as_of=NOW,
    report=REPORT,
)


def refusal(row: int, reason: str = "missing") -> RowRefusal:
    return RowRefusal(file="users.csv", row=row, reason=reason, field="role")


def test_refusals_are_counted_once_per_reason_with_their_first_row() -> None:
    first = tally((), [refusal(9), refusal(7), refusal(8, "unknown")])

    assert tally(first, [refusal(12), refusal(3, "unknown")]) == (
        RefusedRows(file="users.csv", reason="missing", field="role", count=3, first_row=7),
        RefusedRows(file="users.csv", reason="unknown", field="role", count=2, first_row=3),
    )


def test_five_in_a_hundred_bad_rows_are_untidy_and_more_are_a_broken_file() -> None:
    assert not too_many_bad(Counts(read=100, refused=5))
    assert too_many_bad(Counts(read=100, refused=6))
    assert not too_many_bad(Counts())


def test_a_report_survives_its_column() -> None:
    assert from_json(to_json(REPORT)) == REPORT
    assert from_json({}) == Report()


def test_an_upsert_carries_record_changed_fields_and_the_hash_before() -> None:
    data = to_data(
        RecordUpserted(
            district_id="d1",
            cause=CAUSE,
            entity="user",
            record=user("u1"),
            changed=("givenName",),
            before_hash=b"\x01\xff",
        )
    )

    assert data.TYPE == "k12.roster.user.upserted.v1"
    assert data.entity_key() == "user/u1"
    body = data.model_dump(mode="json", by_alias=True, exclude_none=True)
    assert body["changed"] == ["givenName"]
    assert body["beforeHash"] == "01ff"
    assert body["record"]["roles"][0]["org"] == {"sourcedId": "school-1", "type": "org"}


def test_a_deletion_carries_the_id_alone() -> None:
    data = to_data(
        RecordToBeDeleted(
            district_id="d1",
            cause=CAUSE,
            entity="enrollment",
            entity_id="e1",
            reason="source_deleted",
        )
    )

    assert data.model_dump(by_alias=True, exclude_none=True) == {
        "sourcedId": "e1", "reason": "source_deleted",
    }  # fmt: skip
    assert data.TYPE == "k12.roster.enrollment.tobedeleted.v1"


def test_a_received_webhook_is_told_without_its_content() -> None:
    data = to_data(
        ChangeReceived(
            district_id="d1",
            cause=CAUSE,
            source_id="sis",
            entity="user",
            external_id="u1",
            deleted=True,
            received_at=NOW,
            verified="hmac",
            version=3,
        )
    )

    assert data.model_dump(mode="json", by_alias=True) == {
        "connector": "sis",
        "resource": "user",
        "externalId": "u1",
        "changeType": "delete",
        "deliveryId": "d",
        "receivedAt": "2026-09-01T08:00:00Z",
        "verified": "hmac",
        "sourceVersion": "3",
    }


def test_each_moment_of_a_run_has_its_event_with_the_counts() -> None:
    types = {
        m: to_data(SnapshotMoved(moment=m, run=RUN)) for m in ("started", "completed", "failed")
    }

    assert [data.TYPE for data in types.values()] == [
        "k12.sis.snapshot.started.v1",
        "k12.sis.snapshot.completed.v1",
        "k12.sis.snapshot.failed.v1",
    ]
    body = types["completed"].model_dump(mode="json", by_alias=True)
    assert body["complete"] is True
    assert body["collections"] == {
        "user": {
            "read": 9,
            "changed": 3,
            "unchanged": 5,
            "refused": 1,
            "missing": 2,
            "removed": 0,
            "held": 0,
        }
    }
