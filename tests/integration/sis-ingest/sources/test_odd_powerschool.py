"""A PowerSchool that says what nobody foresaw: loud, and nobody else's trouble."""

from pathlib import Path
from typing import Any

from sis_ingest.sources.powerschool.verify import echoed_key, path_token
from tests.support.answering_sis import answering_sis
from tests.support.eventually import eventually
from tests.support.ingest_service import token
from tests.support.pulling import NEVER_DUE, Puller, pulling

SECRET = "a-secret-that-nobody-guesses"
DISTRICT: dict[str, Any] = {
    "/ws/v1/metadata": {"metadata": {"district_timezone": "UTC"}},
    "/ws/v1/district": {"district": {"name": "D", "district_number": "1"}},
    "/ws/v1/district/school": {"schools": {"school": {"id": 3, "name": "S", "school_number": 7}}},
    "/ws/v1/district/school/count": {"resource": {"count": 1}},
    "/ws/v1/course/2": {"course": {"id": 2, "course_name": "Algebra", "course_number": "C2"}},
}


def source(address: str, **options: str) -> dict[str, Any]:
    pull = {
        "baseUrl": address, "clientId": "c", "clientSecret": "not-a-secret", "auth": "none",
        "options": options, **NEVER_DUE,
    }  # fmt: skip
    return {
        "id": "ps", "district": "d1", "kind": "powerschool", "secrets": [SECRET], "pull": pull,
    }  # fmt: skip


async def hint(puller: Puller, entity: str, number: int) -> None:
    body = {
        "key": echoed_key(SECRET), "event_type": "UPDATE", "entity": entity, "id": number,
    }  # fmt: skip
    answer = await puller.ingest.http.post(f"/webhooks/ps/{path_token(SECRET)}", json=body)
    assert answer.status_code == 202, answer.text


async def test_a_record_that_no_wording_foresaw_keeps_no_hint_waiting(
    url: str, tmp_path: Path
) -> None:
    post = {"school_id": [4], "type": 1, "status": 1}
    odd = {"id": 1, "users_dcid": 5, "school_affiliations": {"school_affiliation": post}}
    answers = {**DISTRICT, "/ws/v1/staff/1": {"staff": odd}}
    async with (
        answering_sis(answers) as address,
        pulling(url, tmp_path, source(address)) as puller,
    ):
        await hint(puller, "staff", 1)
        await hint(puller, "course", 2)

        await puller.ingest.settled()

        assert await puller.live("course") == {"course-2"}
        ends = await puller.ingest.pool.fetch("SELECT state, reason FROM sis_ingest.delivery")
        assert ("refused", "unreadable_item") in {(row["state"], row["reason"]) for row in ends}


async def test_an_answer_that_nobody_foresaw_is_a_failure_that_shows(
    url: str, tmp_path: Path
) -> None:
    nameless = {"schools": {"school": {"name": "no id"}}}
    async with (
        answering_sis({**DISTRICT, "/ws/v1/district/school": nameless}) as address,
        pulling(url, tmp_path, source(address)) as puller,
    ):
        pull_id = await puller.ask()

        async def failing() -> bool:
            return (await puller.page(pull_id))["failures"] > 0

        await eventually(failing, within_s=20, what="the failure is counted")
        assert (await puller.page(pull_id))["reason"] == "unreadable_answer"
        checks = (await puller.ingest.http.get("/readyz")).json()["checks"]
        assert checks["pulls"]["ok"] is False


async def test_what_was_put_right_is_told_though_the_examination_fails(
    url: str, tmp_path: Path
) -> None:
    answers = {**DISTRICT, "/ws/v1/metadata": 403, "/ws/v1/event_subscription": {}}
    async with (
        answering_sis(answers) as address,
        pulling(url, tmp_path, source(address, callbackUrl="https://here.example")) as puller,
    ):
        answer = await puller.ingest.http.post("/sources/ps/repair", headers=token())

        found = answer.json()
        assert [one["detail"] for one in found["repaired"]] == ["set up anew"]
        assert (found["ok"], found["findings"][0]["detail"]) == (False, "forbidden")
