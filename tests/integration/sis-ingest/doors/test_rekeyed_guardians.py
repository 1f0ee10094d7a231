"""Guardians carry no key: re-keyed they are others to us, and nobody goes or comes unseen."""

from tests.support.holding import decide, holds, only_hold, open_holds, released
from tests.support.ingest_service import Ingest
from tests.support.ingesting import USERS, district, enrollment_row, user_row


def families(word: str, count: int) -> bytes:
    """So many students with a guardian each, whose ids begin with the word."""
    rows = []
    for n in range(count):
        student = list(user_row(f"s{n}"))
        student[USERS.index("agentSourcedIds")] = f"{word}{n}"
        rows += [tuple(student), tuple(user_row(f"{word}{n}", given="Kin", role="guardian"))]
    return district(rows, [tuple(enrollment_row("e0", "s0"))])


async def guardians(ingest: Ingest) -> set[str]:
    return {one for one, given in (await ingest.people()).items() if given == "Kin"}


async def agents(ingest: Ingest) -> set[str]:
    """Whom students name as theirs."""
    rows = await ingest.pool.fetch(
        "SELECT data->'agents'->0->>'sourcedId' AS id FROM sis_ingest.resolved_record"
        " WHERE entity = 'user' AND NOT deleted AND data ? 'agents'"
    )
    return {row["id"] for row in rows}


def ids(word: str, count: int) -> set[str]:
    return {f"{word}{n}" for n in range(count)}


async def test_many_re_keyed_guardians_stay_until_a_person_lets_them_go(ingest: Ingest) -> None:
    await ingest.load(families("g", 60))

    report = await ingest.load(families("k", 60))

    assert report["keyChanges"] == 0
    assert report["removals"]["applied"] == 0
    assert open_holds(await holds(ingest)) == [("user", "remove", 60)]
    assert await guardians(ingest) == ids("g", 60) | ids("k", 60), "nobody is without one"
    assert await agents(ingest) == ids("k", 60)

    hold = await only_hold(ingest)
    for who in ("one", "another"):
        await decide(ingest, hold, "approve", who=who, itemsHash=hold["itemsHash"])
    await released(ingest, hold)
    assert await guardians(ingest) == ids("k", 60)


async def test_where_too_many_would_come_as_well_both_sides_wait(ingest: Ingest) -> None:
    await ingest.load(families("g", 130))

    await ingest.load(families("k", 130))

    found = open_holds(await holds(ingest))
    assert sorted(found) == [("user", "add", 130), ("user", "remove", 130)]
    assert await guardians(ingest) == ids("g", 130)
    assert await agents(ingest) == ids("k", 130), "what students say of them is no removal"
