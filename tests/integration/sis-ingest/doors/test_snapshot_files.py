"""Snapshot files of a running service: what is refused whole, and how files and webhooks meet."""

import io
import zipfile

import pytest

from tests.support.ingesting import (
    USERS,
    csv,
    district,
    enrollment_row,
    manifest,
    package,
    user,
    user_row,
)
from tests.support.sis_process import SNAPSHOT_LIMIT, Sis, named

NOTHING_BUT_THE_RUN = {
    "delivery": 1,
    "source_record": 0,
    "crosswalk": 0,
    "resolved_record": 0,
    "snapshot_row": 0,
}


def bomb() -> bytes:
    """A file that unpacks to a thousand times its size."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("orgs.csv", b"0" * 32 * 1024**2)
    return made.getvalue()


def users(*rows: list[str]) -> bytes:
    """users.csv with just these rows."""
    return csv(USERS, *rows)


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (package({"orgs.csv": b""}), ("missing_file", "manifest.csv", None)),
        (package({"manifest.csv": b""}), ("unknown_version", "manifest.csv", "oneroster.version")),
        (
            package({"manifest.csv": manifest("9.9", {"orgs": "bulk"})}),
            ("unknown_version", "manifest.csv", "oneroster.version"),
        ),
        (
            package({"manifest.csv": manifest("1.1", {"orgs": "sometimes"})}),
            ("unknown_mode", "manifest.csv", "file.orgs"),
        ),
        (bomb(), ("packed_too_well", "orgs.csv", None)),
        (district()[:-30], ("not_a_zip", None, None)),
        (b"", ("not_a_zip", None, None)),
        (
            district(users=users([*user_row("u1"), "more"])),
            ("ragged_row", "users.csv", None),
        ),
        (district(users=b"\xff\xfe\x00"), ("not_utf8", "users.csv", None)),
    ],
    ids=[
        "no_manifest", "empty_manifest", "version", "mode", "bomb", "cut", "nothing", "ragged",
        "not_utf8",
    ],
)  # fmt: skip
async def test_a_bad_file_is_refused_by_name_and_nothing_of_it_is_written(
    sis: Sis, body: bytes, problem: tuple[str | None, ...]
) -> None:
    report = await sis.load(body)

    assert (report["state"], report["reason"]) == ("refused", problem[0])
    assert problem in named(report)
    assert await sis.counts() == NOTHING_BUT_THE_RUN
    assert await sis.events() == []
    runs = [event["type"] for event in await sis.events("sis.runs")]
    assert runs == ["snapshot.started", "snapshot.failed"]


async def test_a_file_over_the_limit_is_refused_and_not_kept(sis: Sis) -> None:
    folder = sis.installation.folder / "data" / "snapshots"
    before = set(folder.glob("*"))

    answer = await sis.upload(b"0" * (SNAPSHOT_LIMIT + 1))

    assert answer.status_code == 413
    assert set(folder.glob("*")) == before
    assert (await sis.counts())["delivery"] == 0


async def test_a_token_is_asked_for_before_anything_is_read(sis: Sis) -> None:
    url = f"{sis.installation.url}/snapshots/{sis.source}"
    missing = await sis.http.post(url, content=district())

    assert missing.status_code == 401
    assert (await sis.upload(district(), headers=sis.bearer("viewer"))).status_code == 403
    elsewhere = sis.bearer("operator", districts=["d-elsewhere"])
    assert (await sis.upload(district(), headers=elsewhere)).status_code == 404
    assert (await sis.counts())["delivery"] == 0


async def test_one_changed_row_is_one_event_and_missing_rows_are_removed_after_it(sis: Sis) -> None:
    await sis.load(district([user_row(f"u{n}") for n in range(20)]))
    before = await sis.events()

    report = await sis.load(
        district([user_row(f"u{n}", given="Bea" if n == 3 else "Ada") for n in range(2, 20)])
    )

    told, *gone = (await sis.events())[len(before) :]
    assert (told["type"], told["origin"]) == ("user.upserted", "snapshot")
    assert (told["data"]["record"]["sourcedId"], told["data"]["changed"]) == ("u3", ["givenName"])
    assert report["counts"]["user"] == {
        "read": 18, "changed": 1, "unchanged": 17, "refused": 0, "missing": 2,
    }  # fmt: skip
    # Two users and their enrollments; what points at a record goes before it.
    assert [(one["type"], one["data"]["sourcedId"]) for one in gone] == [
        ("enrollment.tobedeleted", "e-u0"),
        ("enrollment.tobedeleted", "e-u1"),
        ("user.tobedeleted", "u0"),
        ("user.tobedeleted", "u1"),
    ]
    assert {one["data"]["reason"] for one in gone} == {"not_in_snapshot"}
    assert report["removals"].items() >= {"missing": 4, "applied": 4, "held": 0}.items()
    assert len(await sis.resolved()) == 18


async def test_a_row_marked_as_gone_is_told_once_and_may_come_back(sis: Sis) -> None:
    gone = list(user_row("u1"))
    gone[1] = "tobedeleted"
    await sis.load(district())
    before = len(await sis.events())

    for rows in ([gone, user_row("u2")], [gone, user_row("u2")], [user_row("u1"), user_row("u2")]):
        enrolled = [enrollment_row("e-u1", "u1"), enrollment_row("e-u2", "u2")]
        await sis.load(district(rows, enrolled))

    assert (await sis.told())[before:] == ["user.tobedeleted", "user.upserted"]


async def test_a_webhook_and_a_file_that_say_the_same_are_told_once(sis: Sis) -> None:
    await sis.load(district())
    before = len(await sis.events())
    said = {**user("u3"), "username": "u3", "grades": ["05"]}
    await sis.tell("users.upserted", said)

    rows = [user_row("u1"), user_row("u2"), user_row("u3")]
    report = await sis.load(
        district(rows, [enrollment_row("e-u1", "u1"), enrollment_row("e-u2", "u2")])
    )

    assert report["counts"]["user"]["unchanged"] == 3
    assert (await sis.told())[before:] == ["user.upserted"]


async def test_ids_that_cannot_be_ours_are_minted_and_stay_over_files(sis: Sis) -> None:
    await sis.load(district([user_row("Kid 1")], [enrollment_row("e1", "Kid 1")]))
    (first,) = await sis.resolved()

    await sis.load(district([user_row("Kid 1", given="Bea")], [enrollment_row("e1", "Kid 1")]))

    assert first != "Kid 1"
    assert list(await sis.resolved()) == [first]
    assert (await sis.resolved("enrollment"))["e1"]["user"]["sourcedId"] == first


async def test_files_sent_at_once_are_worked_through_in_their_order(sis: Sis) -> None:
    runs = [
        (await sis.upload(district([user_row("u1", given=name)]))).json()["runId"]
        for name in ("Ada", "Bea", "Cy")
    ]

    assert [(await sis.ended(run))["state"] for run in runs] == ["completed"] * 3
    assert (await sis.resolved())["u1"]["givenName"] == "Cy"


async def test_the_status_page_counts_a_districts_records(sis: Sis) -> None:
    await sis.load(district())
    url = f"{sis.installation.url}/status?district={sis.district}"

    page = await sis.http.get(url, headers=sis.bearer("viewer"))
    elsewhere = await sis.http.get(url, headers=sis.bearer("viewer", districts=["d-elsewhere"]))

    assert page.json()["records"]["user"] == {"active": 2, "deleted": 0}
    assert elsewhere.status_code == 404
