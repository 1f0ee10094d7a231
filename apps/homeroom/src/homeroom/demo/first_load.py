"""The first part of the story: a whole district arrives as one zip.

Waits until the roster (read by a vendor) and the directory (read by itself) hold exactly what is
in the file, whoever made it.
"""

from collections.abc import Mapping
from pathlib import Path

from homeroom.demo.archive import count_rows, user_ids
from homeroom.demo.outside import Outside
from homeroom.demo.settling import caught_up, settle
from homeroom.display import Advance
from homeroom.errors import CommandFailed
from homeroom.installation import SOURCE
from homeroom.operator_client import Page
from homeroom.services import DIRECTORY_SYNC, ROSTER_PUBLISHER, SIS_INGEST, TICKET_EVENTS
from homeroom.waiting import wait_for

ROSTER = ("orgs", "users", "classes", "enrollments")
LOAD_WITHIN_S = 900.0
SETTLE_WITHIN_S = 60.0
LOAD_POLL_S = 0.2
# The directory scans all its accounts to count them, so it is not asked too often.
DIRECTORY_POLL_S = 1.0
SAMPLES = 3
RUN_ENDED = frozenset({"completed", "failed", "refused"})


def load_district(outside: Outside, file: Path) -> None:
    """Post `file` and follow it to its end. Raises CommandFailed where something is not as told."""
    expected = _count(outside, file)
    run_id = _upload(outside, file)
    _wait_for_run(outside, run_id)
    reach_every_copy(outside, expected)


def reach_every_copy(outside: Outside, expected: Mapping[str, int]) -> None:
    """Follow what was read to roster, vendors, directory and help desk; `expected` counts rows."""
    _wait_for_roster(outside, expected)
    _read_all_pages(outside, expected)
    _one_school_reads(outside)
    _wait_for_directory(outside, expected["users"])
    _compare_samples(outside)
    _no_device_requests(outside)
    _wait_for_groups(outside)
    outside.loaded_at = outside.clock.now()


def _count(outside: Outside, file: Path) -> Mapping[str, int]:
    with outside.journal.step("count the file's rows") as step:
        expected = count_rows(file)
        outside.found["file"] = dict(expected)
        outside.expected.active |= user_ids(file)
        step.detail = f"{sum(expected.values()):,} in {len(expected)} files"
    return expected


def _upload(outside: Outside, file: Path) -> str:
    size = file.stat().st_size
    with outside.journal.step("post the zip", owner=SIS_INGEST.name) as step:
        with outside.journal.display.bar("uploaded bytes") as advance:
            run = outside.operator.upload(SOURCE, file, on_bytes=lambda sent: advance(sent, size))
        outside.found["run"] = {"id": run["runId"], "correlationId": run["correlationId"]}
        step.detail = f"{size / 1e6:.1f} MB, run {run['runId']}"
    return str(run["runId"])


def _wait_for_run(outside: Outside, run_id: str) -> None:
    with outside.journal.step("read the zip", owner=SIS_INGEST.name) as step:
        outside.found["run"]["report"] = follow_run(outside, run_id)
        step.detail = "every record is stored and on the log"


def follow_run(outside: Outside, run_id: str) -> Page:
    """Return the report of a snapshot run at its end; raises CommandFailed if that was not well."""
    with outside.journal.display.bar("percent") as advance:
        report = wait_for(
            "the end of the snapshot run",
            lambda: _ended(outside.operator.run(run_id), advance),
            within_s=LOAD_WITHIN_S,
            every_s=LOAD_POLL_S,
            check=outside.check,
        )
    if report["state"] != "completed":
        raise CommandFailed(f"the snapshot run ended as {report['state']}: {why(report)}")
    return report


def _wait_for_roster(outside: Outside, expected: Mapping[str, int]) -> None:
    wanted = sum(expected[name] for name in ROSTER)

    def total(advance: Advance) -> int | None:
        return _reached(sum(map(outside.vendor.total, ROSTER)), wanted, advance)

    with outside.journal.step("roster is complete", owner=ROSTER_PUBLISHER.name) as step:
        with outside.journal.display.bar("rows in the roster") as advance:
            wait_for(
                "a roster as large as the file",
                lambda: total(advance),
                within_s=LOAD_WITHIN_S,
                every_s=LOAD_POLL_S,
                check=outside.check,
            )
        step.detail = ", ".join(f"{expected[name]:,} {name}" for name in ROSTER)


def _read_all_pages(outside: Outside, expected: Mapping[str, int]) -> None:
    with outside.journal.step("vendor reads every page", owner=ROSTER_PUBLISHER.name) as step:
        counts: dict[str, int] = {}
        for name in ROSTER:
            counts[name] = _all_different(name, list(outside.vendor.ids(name)))
            told = outside.vendor.total(name)
            if not counts[name] == told == expected[name]:
                raise CommandFailed(
                    f"{name}: {expected[name]} in the file, {told} by X-Total-Count, "
                    f"{counts[name]} on the pages"
                )
        outside.found["roster"] = counts
        step.detail = f"{sum(counts.values()):,} rows, as many as were loaded"


def _one_school_reads(outside: Outside) -> None:
    """What a vendor may not see is nowhere: not in the rows and not in the counts."""
    with outside.journal.step("one-school vendor reads", owner=ROSTER_PUBLISHER.name) as step:
        schools = set(outside.one_school.ids("orgs"))
        users = len(set(outside.one_school.ids("users")))
        told = outside.one_school.total("users")
        if schools - {outside.one_school_org} or users != told or bool(users) != bool(schools):
            raise CommandFailed(f"{len(schools)} schools, {users} users, {told} by X-Total-Count")
        step.detail = f"{users:,} users of {len(schools)} school"


def _wait_for_directory(outside: Outside, wanted: int) -> None:
    with outside.journal.step("directory is complete", owner=DIRECTORY_SYNC.name) as step:
        with outside.journal.display.bar("accounts") as advance:
            wait_for(
                "an account for everybody",
                lambda: _reached(outside.directory.total(), wanted, advance),
                within_s=LOAD_WITHIN_S,
                every_s=DIRECTORY_POLL_S,
                check=outside.check,
            )
        total = outside.directory.total()
        if total != wanted:
            raise CommandFailed(f"{total} accounts for {wanted} people")
        outside.found["accounts"] = total
        step.detail = f"{total:,} accounts"


def _compare_samples(outside: Outside) -> None:
    with outside.journal.step("accounts are their people's", owner=DIRECTORY_SYNC.name) as step:
        people = outside.vendor.some("users", query=f"limit={SAMPLES}&offset=7")
        for person in people:
            account = outside.account_of(str(person["sourcedId"]))
            same = account["name"]["familyName"] == person["familyName"]
            if not (same and account["active"] is True):
                raise CommandFailed(f"account {account['id']} does not match its person")
        step.detail = f"{len(people)} looked up by the person's id"


def _no_device_requests(outside: Outside) -> None:
    """A first load is not a district full of new pupils without a laptop."""
    with outside.journal.step("no device requests", owner=TICKET_EVENTS.name) as step:
        wait_for(
            "the end of ticket-events' reading",
            lambda: caught_up(outside.operator.ready(TICKET_EVENTS)) or None,
            within_s=SETTLE_WITHIN_S,
            check=outside.check,
        )
        wanted = len(outside.operator.device_requests())
        if wanted:
            raise CommandFailed(f"the first load made {wanted} device requests")
        step.detail = "0 after the first load"


def _wait_for_groups(outside: Outside) -> None:
    with outside.journal.step("groups are complete", owner=DIRECTORY_SYNC.name) as step:
        settle(outside)
        outside.found["groups"] = total = outside.directory.total("/Groups")
        if not total:
            raise CommandFailed("the directory has no groups")
        step.detail = f"{total:,} groups of schools and classes"


def why(report: Page) -> str:
    """Say in one line why a run did not complete: codes and places in the file, no values."""
    places = [
        " ".join(str(part) for part in problem.values()) for problem in report["problems"][:SAMPLES]
    ]
    return "; ".join(places) or str(report["reason"])


def _ended(report: Page, advance: Advance) -> Page | None:
    advance(int(report["percent"]), 100)
    return report if report["state"] in RUN_ENDED else None


def _reached(have: int, wanted: int, advance: Advance) -> int | None:
    advance(have, wanted)
    return have if have >= wanted else None


def _all_different(name: str, ids: list[str]) -> int:
    if len(set(ids)) != len(ids):
        raise CommandFailed(f"{name}: a row stands on two pages")
    return len(ids)
