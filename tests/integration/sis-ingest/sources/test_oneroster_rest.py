"""A OneRoster SIS read over REST: what comes in, what a fault may not do, what goes on after it."""

from pathlib import Path
from typing import Any

import pytest

from tests.support.emulators import Emulator
from tests.support.eventually import eventually
from tests.support.pulling import Puller, oneroster_source, pulling, sourced_ids

PEOPLE = ("students", "staff", "contacts")


async def whole(puller: Puller, sis: Emulator) -> None:
    """The source's records are those of the office."""
    assert await puller.live("user") == sourced_ids(sis, "oneRoster", *PEOPLE)
    enrolments = await puller.live("enrollment")
    assert sourced_ids(sis, "oneRoster", "enrolments") <= enrolments


async def test_a_full_pull_brings_everything_and_a_second_one_nothing_new(
    oneroster: Emulator, url: str, tmp_path: Path
) -> None:
    async with pulling(url, tmp_path, oneroster_source(oneroster)) as puller:
        report = await puller.pull()

        assert report["state"] == "completed"
        assert report["refusals"] == []
        assert report["warnings"] == []
        await whole(puller, oneroster)
        before = len(await puller.ingest.events())

        again = await puller.pull()

        assert again["reason"] == "nothing_changed"
        assert len(await puller.ingest.events()) == before


@pytest.mark.parametrize("auth", ["oauth1_sha1", "oauth1_sha256"])
async def test_a_signed_pull_of_1_1_says_the_same_people(
    oneroster: Emulator, url: str, tmp_path: Path, auth: str
) -> None:
    source = oneroster_source(
        oneroster,
        auth=auth,
        clientId=oneroster.told["oauth1Key"],
        clientSecret=oneroster.told["oauth1Secret"],
        options={"version": "1.1"},
    )
    async with pulling(url, tmp_path, source) as puller:
        report = await puller.pull()

        assert report["refusals"] == []
        await whole(puller, oneroster)
    assert oneroster.evidence()["refusals"] == {}


async def test_a_delta_asks_for_what_changed_and_brings_it(
    oneroster: Emulator, url: str, tmp_path: Path
) -> None:
    async with pulling(url, tmp_path, oneroster_source(oneroster)) as puller:
        await puller.pull()
        new = oneroster.do("students", givenName="Ada", familyName="Made-up")["records"][0]
        gone = oneroster.truth("students", limit=1)["records"][0]
        oneroster.do(f"students/{gone['dcid']}/delete")
        oneroster.forget()

        report = await puller.pull("delta")

        assert report["counts"]["user"]["read"] < 40
        people = await puller.live("user")
        assert new["sourcedIds"]["oneRoster"] in people
        assert gone["sourcedIds"]["oneRoster"] not in people
        await whole(puller, oneroster)


async def test_a_failure_in_the_middle_goes_on_at_the_page_where_it_was(
    oneroster: Emulator, url: str, tmp_path: Path
) -> None:
    async with pulling(url, tmp_path, oneroster_source(oneroster, pageSize=20)) as puller:
        oneroster.fault("server_error", path="/enrollments", after=2)

        report = await puller.pull()

        assert report["state"] == "completed"
        await whole(puller, oneroster)
    enrolments = report["pull"]["sections"]["enrollments"]
    asked = oneroster.evidence()["requests"]["GET /ims/oneroster/rostering/v1p2/enrollments"]
    assert sum(asked.values()) == enrolments["pages"], "each page once"
    assert oneroster.evidence()["answers"]["500"] == 1


async def test_a_source_that_asks_to_wait_is_left_alone_until_then(
    oneroster: Emulator, url: str, tmp_path: Path
) -> None:
    async with pulling(url, tmp_path, oneroster_source(oneroster)) as puller:
        oneroster.fault("too_many_requests", path="/users", amount=1)

        report = await puller.pull()

        assert report["state"] == "completed"
        await whole(puller, oneroster)
    assert oneroster.evidence()["answers"]["429"] == 1


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ({"kind": "empty_success", "times": None}, "empty_section"),
        ({"kind": "wrong_total", "times": None, "amount": 3}, "count_disagrees"),
        ({"kind": "wrong_total", "times": 1, "amount": 3}, "total_moved"),
    ],
)
async def test_a_section_that_is_not_whole_removes_nobody_and_says_so(
    oneroster: Emulator, url: str, tmp_path: Path, fault: dict[str, Any], code: str
) -> None:
    async with pulling(url, tmp_path, oneroster_source(oneroster, pageSize=20)) as puller:
        await puller.pull()
        before = await puller.live("user")
        oneroster.fault(fault.pop("kind"), path="v1p2/users", **fault)

        ended = await puller.ended(await puller.ask())

        if ended["state"] == "failed":
            assert ended["reason"] == code
        else:
            report = await puller.ingest.ended(ended["runId"])
            assert {"code": code, "file": "users"} in report["warnings"]
            assert report["removals"]["missing"] == 0
        assert await puller.live("user") == before


async def test_a_short_page_is_not_the_end_where_the_total_says_more(
    oneroster: Emulator, url: str, tmp_path: Path
) -> None:
    async with pulling(url, tmp_path, oneroster_source(oneroster, pageSize=20)) as puller:
        oneroster.fault("short_page", path="v1p2/users", amount=4)

        report = await puller.pull()

        assert report["warnings"] == []
        await whole(puller, oneroster)


async def test_a_revision_that_moves_begins_the_pull_again(
    oneroster: Emulator, url: str, tmp_path: Path
) -> None:
    async with pulling(url, tmp_path, oneroster_source(oneroster, pageSize=20)) as puller:
        oneroster.fault("new_revision", path="/enrollments", after=2)

        report = await puller.pull()

        assert report["pull"]["restarts"] == 1
        await whole(puller, oneroster)


async def test_a_revision_that_never_rests_brings_everybody_and_removes_nobody(
    oneroster: Emulator, url: str, tmp_path: Path
) -> None:
    async with pulling(url, tmp_path, oneroster_source(oneroster, pageSize=20)) as puller:
        oneroster.fault("new_revision", path="/enrollments", times=None)

        report = await puller.pull()

        assert report["pull"]["restarts"] == 3
        assert {"code": "revision_moved", "file": "enrollments"} in report["warnings"]
        assert report["removals"]["missing"] == 0
        await whole(puller, oneroster)


async def test_a_refused_client_ends_the_pull_with_the_reason(
    oneroster: Emulator, url: str, tmp_path: Path
) -> None:
    source = oneroster_source(oneroster, clientSecret="not-the-secret")
    async with pulling(url, tmp_path, source) as puller:
        ended = await puller.ended(await puller.ask())

        assert (ended["state"], ended["reason"]) == ("failed", "token_refused")
        assert oneroster.evidence()["refusals"] == {"bad_client": 1}


async def test_a_token_that_ends_in_the_middle_is_asked_for_anew(
    oneroster: Emulator, url: str, tmp_path: Path
) -> None:
    async with pulling(url, tmp_path, oneroster_source(oneroster, pageSize=20)) as puller:
        oneroster.fault("token_expiry", path="/enrollments", after=2)

        await puller.pull()

        await whole(puller, oneroster)
    assert oneroster.evidence()["tokensIssued"] >= 2


async def test_a_district_that_is_keyed_anew_loses_and_gains_nobody(
    oneroster: Emulator, url: str, tmp_path: Path
) -> None:
    async with pulling(url, tmp_path, oneroster_source(oneroster)) as puller:
        await puller.pull()
        ours = sourced_ids(oneroster, "oneRoster", "students", "staff")
        oneroster.do("rekey")

        report = await puller.pull()

        # Contacts carry no number by which they could be known again.
        assert ours <= set(await puller.ingest.people())
        new = sourced_ids(oneroster, "oneRoster", "students", "staff")
        assert not new & set(await puller.ingest.people())
        assert new <= await puller.live("user")
        contacts = len(sourced_ids(oneroster, "oneRoster", "contacts"))
        assert report["removals"]["byEntity"]["user"]["missing"] == contacts


async def test_a_source_that_is_away_delays_only_itself(
    oneroster: Emulator, url: str, tmp_path: Path
) -> None:
    async with pulling(url, tmp_path, oneroster_source(oneroster)) as puller:
        oneroster.fault("server_error", times=None, amount=503)
        pull_id = await puller.ask()

        async def failing() -> bool:
            return (await puller.page(pull_id))["failures"] > 0

        await eventually(failing, within_s=60, what="the source is away")
        oneroster.forget()

        ended = await puller.ended(pull_id)
        assert ended["state"] == "completed"
