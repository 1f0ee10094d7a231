"""What a source does wrong, what that may not do to the roster, and whom else it may not delay."""

from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

from tests.support.emulators import Emulator
from tests.support.eventually import eventually
from tests.support.ingest_service import running_ingest, token
from tests.support.ingesting import SECRET, user
from tests.support.pulling import NEVER_DUE, Puller, oneroster_source, pulling, sourced_ids
from tests.support.shuffling_sis import people, shuffling_sis

PEOPLE = ("students", "staff", "contacts")


async def readiness(puller: Puller, source: str = "pulled") -> dict[str, Any]:
    """What `/readyz` says of one pulled source."""
    checks = (await puller.ingest.http.get("/readyz")).json()["checks"]
    return {"ok": checks["pulls"]["ok"], **checks["pulls"]["sources"][source]}


async def test_half_a_body_is_asked_for_again(
    oneroster: Emulator, url: str, tmp_path: Path
) -> None:
    async with pulling(url, tmp_path, oneroster_source(oneroster)) as puller:
        oneroster.fault("malformed", path="v1p2/users", amount=0.6)

        report = await puller.pull()

        assert report["warnings"] == []
        assert await puller.live("user") == sourced_ids(oneroster, "oneRoster", *PEOPLE)


async def test_an_answer_that_is_too_slow_is_asked_for_again(
    oneroster: Emulator, url: str, tmp_path: Path
) -> None:
    source = oneroster_source(oneroster, timeoutSeconds=1)
    async with pulling(url, tmp_path, source) as puller:
        oneroster.fault("slow", path="v1p2/classes", amount=3)

        await puller.pull()

        assert await puller.live("class") == sourced_ids(oneroster, "oneRoster", "sections")


async def test_a_wrong_secret_is_shown_and_put_right_without_waiting(
    oneroster: Emulator, url: str, tmp_path: Path
) -> None:
    source = oneroster_source(oneroster, clientSecret="not-the-secret")
    async with pulling(url, tmp_path, source) as puller:
        await puller.ended(await puller.ask())

        shown = await readiness(puller)
        assert (shown["ok"], shown["state"], shown["reason"]) == (False, "failed", "token_refused")
        assert shown["lastGood"] is None
        answer = await puller.ingest.http.get("/pulls", headers=token("viewer"))
        assert [one["reason"] for one in answer.json()["pulls"]] == ["token_refused"]
        again = await puller.ended(await puller.ask(), within_s=20)
        assert again["reason"] == "token_refused", "asked at once, whatever the last one met"

    async with pulling(url, tmp_path, oneroster_source(oneroster)) as puller:
        await puller.pull()

        shown = await readiness(puller)
        assert (shown["ok"], shown["state"], shown["reason"]) == (True, "completed", None)
        assert 0 <= shown["lastGoodSecondsAgo"] < 60
        assert shown["breakerOpen"] is False


async def test_a_source_that_is_away_keeps_no_other_waiting(
    oneroster: Emulator, url: str, tmp_path: Path
) -> None:
    away = {
        **oneroster_source(oneroster, baseUrl="http://127.0.0.1:9", auth="none"),
        "id": "away",
        "district": "d2",
    }
    there = {**oneroster_source(oneroster), "secrets": [SECRET]}
    there["kind"], pull = "generic", there.pop("pull")
    pulled = {"id": "pulled", "district": "d1", "kind": "oneroster_rest", "pull": pull}
    sources = [away, {**there, "id": "sis"}, pulled]
    async with running_ingest(url, tmp_path, sources=sources) as ingest:
        stuck = Puller(ingest, "away")
        pull_id = await stuck.ask()

        async def failing() -> bool:
            return (await stuck.page(pull_id))["failures"] > 1

        await eventually(failing, within_s=60, what="the source is away")

        puller = Puller(ingest, "pulled")
        await puller.pull()
        await ingest.send("users.upserted", user("u1"))
        await ingest.settled()

        assert "u1" in await ingest.people()
        assert await puller.live("user") == sourced_ids(oneroster, "oneRoster", *PEOPLE)
        assert (await stuck.page(pull_id))["state"] == "waiting"
        shown = await readiness(puller, "away")
        assert shown["ok"] is False
        assert shown["reason"] in ("unreachable", "breaker_open")
        assert (await ingest.http.get("/readyz")).status_code == 200


async def test_an_id_on_two_pages_says_that_rows_moved_and_removes_nobody(
    url: str, tmp_path: Path
) -> None:
    """No count and no revision: a row left between two requests, so one moved up unseen."""
    names = [f"u{number:02}" for number in range(100)]
    everybody = people(*names)
    moved = people(*(name for name in names if name != "u50"), "u99")
    now = [everybody]

    def pages(section: str, _offset: int) -> Any:
        return now[0] if section == "users" else ()

    async with shuffling_sis(pages) as address:
        pull = {
            "baseUrl": address, "clientId": "c", "clientSecret": "not-a-secret", "auth": "none",
            "pageSize": 20, **NEVER_DUE,
        }  # fmt: skip
        source = {"id": "pulled", "district": "d1", "kind": "oneroster_rest", "pull": pull}
        async with pulling(url, tmp_path, source) as puller:
            await puller.pull()
            now[0] = moved

            report = await puller.pull()

            assert report["state"] == "completed"
            (refusal,) = report["refusals"]
            assert (refusal["reason"], refusal["count"]) == ("repeated_id", 1)
            assert "users" in {one["file"] for one in report["warnings"]}
            assert report["removals"]["applied"] == 0
            assert await puller.live("user") == set(names)


async def test_a_provider_that_refuses_filters_is_read_in_full_and_the_report_says_so(
    url: str, tmp_path: Path
) -> None:
    names = [f"u{number:02}" for number in range(60)]
    now = [people(*names)]

    def pages(section: str, _offset: int) -> Any:
        return now[0] if section == "users" else ()

    async with shuffling_sis(pages, filters=False) as address:
        pull = {
            "baseUrl": address, "clientId": "c", "clientSecret": "not-a-secret", "auth": "none",
            "pageSize": 20, **NEVER_DUE,
        }  # fmt: skip
        source = {"id": "pulled", "district": "d1", "kind": "oneroster_rest", "pull": pull}
        async with pulling(url, tmp_path, source) as puller:
            await puller.pull()
            now[0] = people(*names[1:], "new")

            report = await puller.pull("delta")

            assert (report["pull"]["mode"], report["pull"]["since"]) == ("full", None)
            assert report["pull"]["fullBecause"] == "filter_refused"
            assert "filter_refused" in {one["code"] for one in report["warnings"]}
            assert await puller.live("user") == {*names[1:], "new"}, "what left is removed, too"


async def test_pulls_whose_time_is_over_are_forgotten_but_not_the_newest(
    oneroster: Emulator, url: str, tmp_path: Path
) -> None:
    async with pulling(url, tmp_path, oneroster_source(oneroster)) as puller:
        first = await puller.pull()
        await puller.pull()
        await puller.pull("delta")
        await puller.ingest.pool.execute(
            "UPDATE sis_ingest.pull SET finished_at = finished_at - $1::interval",
            timedelta(days=31),
        )
    left = tmp_path / "data" / "pulls" / first["pull"]["pullId"]
    left.mkdir(parents=True)

    async with pulling(url, tmp_path, oneroster_source(oneroster)) as puller:

        async def forgotten() -> bool:
            return await puller.ingest.value("SELECT count(*) FROM sis_ingest.pull") == 2

        await eventually(forgotten, within_s=20, what="old pulls are forgotten")
        await eventually(lambda: not left.exists(), within_s=20, what="leftover pages are swept")
        modes = await puller.ingest.pool.fetch("SELECT mode FROM sis_ingest.pull ORDER BY 1")
        assert [row["mode"] for row in modes] == ["delta", "full"]
        report = await puller.pull("delta")
        assert report["pull"]["mode"] == "delta", "it still knows where to begin"


async def test_an_open_pull_of_a_source_that_is_configured_no_more_ends_in_time(
    url: str, tmp_path: Path
) -> None:
    """Nobody takes it up again, and its pages are raw records of students."""
    pages = {name: tmp_path / "data" / "pulls" / str(uuid4()) for name in ("gone", "gone-lately")}
    async with running_ingest(url, tmp_path) as ingest:
        for name, days in (("gone", 31), ("gone-lately", 0)):
            await ingest.pool.execute(
                "INSERT INTO sis_ingest.pull (district_id, pull_id, source_id, correlation_id, mode,"
                " state, asked_at, dry_run) VALUES ('d1', $1::uuid, $2, 'c', 'full', 'running',"
                " now() - $3::interval, false)",
                pages[name].name,
                name,
                timedelta(days=days),
            )
            pages[name].mkdir(parents=True)

    async with running_ingest(url, tmp_path) as ingest:
        await eventually(
            lambda: not pages["gone"].exists(), within_s=20, what="its pages are swept"
        )
        pulls = await ingest.pool.fetch(
            "SELECT source_id, state, reason FROM sis_ingest.pull ORDER BY source_id"
        )
        assert [tuple(pull) for pull in pulls] == [
            ("gone", "failed", "unknown_source"),
            ("gone-lately", "running", None),
        ]
        assert pages["gone-lately"].exists()
