"""Every published copy of a person is traced, demographics too, and no value stands in it."""

from roster_publisher.adapters.postgres.tracer import PostgresTracer
from tests.support.oneroster_records import demographics, school_world, user
from tests.support.publishing import Publishing


async def test_user_and_demographics_are_two_copies(publishing: Publishing) -> None:
    await publishing.publish(*school_world(), ("user", user("amy")))
    await publishing.publish(("demographics", demographics("amy", asian=True)))

    copies = await PostgresTracer(publishing.database).copies("amy", districts=["d1"])

    assert [(one.kind, one.state, one.detail) for one in copies if one.where == "roster"] == [
        ("user", "active", "enrollments_active=0"),
        ("demographics", "active", None),
    ]
    assert "asian" not in str(copies)
