"""Where the next pull begins: after what was read whole and came into the truth, nowhere else."""

from pathlib import Path
from typing import Any

from tests.support.emulators import Emulator
from tests.support.pulling import NEVER_DUE, oneroster_source, pulling
from tests.support.shuffling_sis import Items, people, shuffling_sis


def source(address: str) -> dict[str, Any]:
    """A OneRoster source at this address, asked without signing in."""
    pull = {
        "baseUrl": address, "clientId": "c", "clientSecret": "not-a-secret", "auth": "none",
        "pageSize": 20, **NEVER_DUE,
    }  # fmt: skip
    return {"id": "pulled", "district": "d1", "kind": "oneroster_rest", "pull": pull}


def nameless() -> Items:
    """Users that cannot be read: of a file with so many of them nothing is taken."""
    return [{"sourcedId": f"u{number}", "status": "active"} for number in range(3)]


async def test_a_delta_whose_run_was_refused_is_read_again_by_the_next_one(
    url: str, tmp_path: Path
) -> None:
    said = {"users": people("u0", "u1", "u2")}
    async with (
        shuffling_sis(lambda section, _: said.get(section, ())) as address,
        pulling(url, tmp_path, source(address)) as puller,
    ):
        await puller.pull()
        said["users"] = nameless()
        refused = await puller.pull("delta")
        assert refused["state"] == "refused"

        said["users"] = people("u0", "u3")
        report = await puller.pull("delta")

        assert report["pull"]["since"] == refused["pull"]["since"]


async def test_a_full_pull_whose_run_was_refused_counts_for_nothing(
    url: str, tmp_path: Path
) -> None:
    said = {"users": nameless()}
    async with (
        shuffling_sis(lambda section, _: said.get(section, ())) as address,
        pulling(url, tmp_path, source(address)) as puller,
    ):
        refused = await puller.pull()
        assert refused["state"] == "refused"

        checks = (await puller.ingest.http.get("/readyz")).json()["checks"]
        shown = checks["pulls"]["sources"]["pulled"]
        assert (checks["pulls"]["ok"], shown["state"]) == (False, "failed")
        assert (shown["lastGood"], shown["reason"]) == (None, "too_many_bad_rows")
        report = await puller.pull("delta")
        assert report["pull"]["mode"] == "full"


async def test_what_a_full_pull_missed_is_told_by_the_next_delta(
    oneroster: Emulator, url: str, tmp_path: Path
) -> None:
    async with pulling(url, tmp_path, oneroster_source(oneroster)) as puller:
        await puller.pull()
        mark = "2026-01-01T00:00:00.000Z"
        await puller.ingest.pool.execute("UPDATE sis_ingest.pull SET mark = $1", mark)
        oneroster.fault("wrong_total", path="v1p2/users", times=None, amount=3)
        full = await puller.pull()
        assert full["pull"]["since"] is None
        oneroster.forget()

        report = await puller.pull("delta")

        assert report["pull"]["since"] == mark


async def test_a_full_pull_that_found_nothing_counts_for_nothing(url: str, tmp_path: Path) -> None:
    """An empty success: whoever believed it would wait a week for the next full pull."""
    said: dict[str, Items] = {}
    async with (
        shuffling_sis(lambda section, _: said.get(section, ())) as address,
        pulling(url, tmp_path, source(address)) as puller,
    ):
        empty = await puller.pull()
        checks = (await puller.ingest.http.get("/readyz")).json()["checks"]
        shown = checks["pulls"]["sources"]["pulled"]
        heard = checks["sources"]["sources"]["pulled"]["lastSuccessAt"]
        said["users"] = people("u0", "u1")
        report = await puller.pull("delta")

    assert (empty["state"], empty["reason"]) == ("completed", "nothing_read")
    assert (shown["state"], shown["reason"], shown["lastGood"]) == ("failed", "nothing_read", None)
    assert heard is None
    assert (report["pull"]["mode"], report["origin"]) == ("full", "firstload")
