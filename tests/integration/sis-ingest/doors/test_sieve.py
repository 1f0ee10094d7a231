"""The sieve of snapshots in SQL and the rule in Python see the same rows as different."""

from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from roster_common.runtime.database import Database
from sis_ingest.adapters.postgres.long_steps import LongSteps
from sis_ingest.adapters.postgres.records import PostgresRecords
from sis_ingest.adapters.postgres.staging import PostgresStaging
from sis_ingest.domain.changes import Known, Verdict, Write, judge
from sis_ingest.domain.deliveries import Place
from sis_ingest.domain.records import to_bytes
from sis_ingest.domain.runs import Run
from sis_ingest.domain.snapshots import StagedRow
from tests.support.ingesting import CAUSE, NOW, change, user

FIRST = ("", -(2**31))
PLACE = Place(district_id="d1", source_id="sis")
RUN = Run(
    run_id="01900000-0000-7000-8000-000000000001",
    delivery_id="01900000-0000-7000-8000-000000000002",
    correlation_id="c",
    place=PLACE,
    state="running",
    origin="snapshot",
    file_name="f",
    file_bytes=0,
    sha256="",
    received_at=NOW,
    as_of=NOW + timedelta(days=1),
)
ROWS = st.dictionaries(
    st.sampled_from([f"u{n}" for n in range(6)]),
    st.tuples(st.sampled_from(["Ada", "Bea"]), st.booleans()),
)


def fact(who: str, name: str, gone: bool, *, at: int = 0):
    made = change(user(who, given=name), at=at, deleted=gone)
    cause = type(CAUSE)(correlation_id="c", delivery_id=RUN.delivery_id, origin="webhook")
    return type(made)(
        **{field: getattr(made, field) for field in made.__slots__} | {"cause": cause}
    )


def held(made) -> Known:
    return Known(
        content_hash=made.content_hash, deleted=made.deleted, version=None, occurred_at=NOW
    )


def staged(number: int, made) -> StagedRow:
    return StagedRow(
        row=number,
        external_id=made.external_id,
        sort_key="",
        content_hash=made.content_hash,
        deleted=made.deleted,
        body=to_bytes(made.record),
    )


@pytest.fixture
async def database(ingest_url: str):
    database = Database(ingest_url, name="test", pool_size=1)
    yield database
    await database.close()


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(before=ROWS, snapshot=ROWS, whole=st.booleans())
async def test_sql_and_python_agree_on_what_differs(database, before, snapshot, whole) -> None:
    known = [fact(who, *what) for who, what in before.items()]
    rows = [fact(who, *what, at=86_400) for who, what in snapshot.items()]

    async with database.begin() as tx:
        driver = await tx.driver()
        await driver.execute("DELETE FROM sis_ingest.source_record")
        records = PostgresRecords(driver)
        staging = PostgresStaging(driver, LongSteps(driver, within_s=60))
        await records.write(
            PLACE, [Write(change=one, known=held(one), content=True) for one in known]
        )
        await staging.begin(RUN)
        await staging.put(RUN, "user", [staged(n, one) for n, one in enumerate(rows, start=2)])
        await staging.weigh()
        sieve = await staging.sieve(RUN, "user", whole=whole)
        upserted = await staging.differing(RUN, "user", deleted=False, after=FIRST, limit=100)
        deleted = await staging.differing(RUN, "user", deleted=True, after=FIRST, limit=100)

    state = {one.key: held(one) for one in known}
    expected = {
        row.external_id
        for row in rows
        if judge(state.get(row.key), row, as_of=None) in (Verdict.NEW, Verdict.CHANGED)
    }
    found = [*upserted, *deleted]
    assert {row.external_id for row in found if not row.absent} == expected
    assert sieve.differing == len(expected)
    missing = {who for who, (_, gone) in before.items() if not gone and who not in snapshot}
    assert sieve.missing == len(missing)
    # Only a whole collection says anything by leaving somebody out.
    assert {row.external_id for row in found if row.absent} == (missing if whole else set())
    assert sieve.absent == (len(missing) if whole else 0)
