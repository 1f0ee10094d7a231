"""Names that directories allocate, from the event to what vendors read, on a real PostgreSQL."""

from typing import Any

import orjson
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from roster_publisher.domain.names import NameAuthority
from tests.support.oneroster_records import role, school_world, user
from tests.support.publishing import Publishing

_USER = """
    SELECT revision, stamp, correlation_id, base, contact, identifiers
    FROM roster_publisher.object WHERE entity = 'user' AND sourced_id = $1 AND shown
"""


async def shown(publishing: Publishing, who: str = "u000") -> dict[str, Any]:
    """Columns and the names a vendor reads."""
    (row,) = await publishing.rows(_USER, who)
    texts = row.pop("base") + row.pop("contact") + row.pop("identifiers")
    return row | orjson.loads("{" + texts + "}")


async def test_an_allocated_name_is_published_as_a_commit_of_its_own(
    publishing: Publishing,
) -> None:
    await publishing.publish(*school_world(users=2))
    before = await shown(publishing)

    taken = await publishing.take(
        publishing.named("u000", username="ada", email="ada@d.example", correlation_id="delivery-7")
    )

    after = await shown(publishing)
    assert (taken.revision, taken.kept, taken.renamed) == (2, 1, 1)
    assert (after["username"], after["email"]) == ("ada", "ada@d.example")
    assert (after["revision"], after["correlation_id"]) == (2, "delivery-7")
    assert after["stamp"] > before["stamp"]
    assert after["dateLastModified"] > before["dateLastModified"]
    history = await publishing.rows(
        "SELECT sourced_id, identifiers, rev_from, rev_to FROM roster_publisher.object_history"
    )
    assert [tuple(row.values()) for row in history] == [("u000", "", 1, 2)]


async def test_a_repeated_or_older_allocation_changes_nothing(publishing: Publishing) -> None:
    await publishing.publish(*school_world(users=1))
    old = publishing.named("u000", username="old")
    publishing.clock.advance(1)
    new = publishing.named("u000", username="new")
    await publishing.take(new)
    before = await shown(publishing)

    again = await publishing.take(old, new)

    assert (again.revision, again.kept) == (None, 0)
    assert await shown(publishing) == before


async def test_a_name_the_sis_gave_already_takes_no_revision(publishing: Publishing) -> None:
    await publishing.publish(*school_world(), ("user", user("u000", username="ada")))

    taken = await publishing.take(publishing.named("u000", username="ada"))

    assert (taken.revision, taken.kept, taken.renamed) == (None, 1, 0)


async def test_a_sis_update_does_not_wipe_an_allocated_name(publishing: Publishing) -> None:
    await publishing.publish(*school_world(users=1))
    await publishing.take(publishing.named("u000", username="ada", email="ada@d.example"))

    await publishing.publish(("user", user("u000", sms="555")))

    row = await shown(publishing)
    assert (row["username"], row["email"], row["sms"]) == ("ada", "ada@d.example", "555")


async def test_names_of_a_person_not_yet_published_wait(publishing: Publishing) -> None:
    taken = await publishing.take(publishing.named("u000", username="ada"))
    assert (taken.revision, taken.kept) == (None, 1)

    await publishing.publish(("user", user("u000")))
    await publishing.publish(*school_world())

    assert (await shown(publishing))["username"] == "ada"


async def test_an_update_that_waits_goes_on_waiting_after_a_name_came(
    publishing: Publishing,
) -> None:
    await publishing.publish(*school_world(users=1))
    await publishing.publish(("user", user("u000", role("s9"), givenName="Later")))
    await publishing.take(publishing.named("u000", username="ada"))

    (row,) = await publishing.rows(
        "SELECT pending ->> 'givenName' AS waits, record ->> 'givenName' AS shown, record"
        " FROM roster_publisher.object WHERE entity = 'user'"
    )
    assert (row["waits"], row["shown"]) == ("Later", "Ada")
    assert "username" not in row["record"]


async def test_where_the_directory_decides_no_state_holds_a_name(publishing: Publishing) -> None:
    publishing.authority = NameAuthority(username="directory")
    await publishing.publish(*school_world(), ("user", user("u000", username="sis", email="e@s")))
    await publishing.derive()
    await publishing.take(publishing.named("u000", username="ada", email="ada@d.example"))
    await publishing.publish(("user", user("u000", username="sis", email="e@s", grades=["05"])))
    await publishing.derive()

    row = await shown(publishing)
    assert (row["username"], row["email"]) == ("ada", "e@s")
    states = [one.data for one in await publishing.emitted("person.v1")]
    assert [(one.get("username"), one.get("email")) for one in states] == [(None, "e@s")] * 2


async def test_the_round_trip_of_a_name_ends(publishing: Publishing) -> None:
    await publishing.publish(*school_world(users=1))
    await publishing.derive()
    first = await publishing.emitted()
    await publishing.take(publishing.named("u000", username="ada"))
    await publishing.derive()

    publishing.clock.advance(1)
    taken = await publishing.take(publishing.named("u000", username="ada"))
    await publishing.derive()

    assert taken.revision is None
    assert await publishing.emitted() == first


_SAID = st.sampled_from([{}, {"username": "sis1"}, {"username": "sis2", "email": "e@s"}])
_TOLD = st.tuples(
    st.sampled_from(["ad", "scim"]),
    st.sampled_from([{"username": "d1"}, {"username": "d2", "email": "e@d"}, {"email": "f@d"}]),
)
_AUTHORITY = st.builds(
    NameAuthority,
    username=st.sampled_from(["sis", "directory"]),
    email=st.sampled_from(["sis", "directory"]),
    targets=st.sampled_from([(), ("scim",)]),
)


async def _play(publishing: Publishing, district: str, facts: list[Any]) -> tuple[Any, set[str]]:
    """Publish facts one commit each, deriving between; what vendors read, what states held."""
    await publishing.publish(*school_world(), district=district)
    for fact in facts:
        if isinstance(fact, tuple):
            await publishing.take(fact[0], district=district)
        else:
            await publishing.apply([fact], district=district)
    await publishing.derive()
    (row,) = await publishing.rows(
        "SELECT contact, identifiers, names, refs FROM roster_publisher.object"
        " WHERE district_id = $1 AND entity = 'user' AND shown",
        district,
    )
    states = await publishing.rows(
        "SELECT convert_from(value, 'UTF8') AS text FROM log.event"
        " WHERE headers ->> 'ce_tenantid' = $1 AND headers ->> 'ce_type' = 'k12.roster.person.v1'",
        district,
    )
    held = [orjson.loads(one["text"]) for one in states]
    return row, {n for one in held for n in (one.get("username"), one.get("email")) if n}


@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    said=st.lists(_SAID, min_size=1, max_size=4),
    told=st.lists(_TOLD, max_size=4),
    authority=_AUTHORITY,
    data=st.data(),
)
async def test_any_interleaving_shows_the_same_user_and_states_never_hold_an_allocated_name(
    publishing: Publishing, said: list[Any], told: list[Any], authority: Any, data: st.DataObject
) -> None:
    publishing.authority = authority
    changes, names = [], []
    for fields in said:
        publishing.clock.advance(1)
        changes.append(publishing.change("user", user("u1", **fields)))
    for target, fields in told:
        publishing.clock.advance(1)
        names.append((publishing.named("u1", target=target, **fields),))
    facts = [*changes, *names]
    mixed = data.draw(st.permutations([*facts, *facts[::2]]))

    plain, _ = await _play(publishing, publishing.ids.new_id(), facts)
    found, held = await _play(publishing, publishing.ids.new_id(), mixed)

    assert found == plain
    allowed = {"sis1", "sis2"} if authority.username == "sis" else set()
    allowed |= {"e@s"} if authority.email == "sis" else set()
    assert held <= allowed
