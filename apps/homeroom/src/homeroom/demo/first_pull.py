"""The first part of the story with an emulated SIS: sis-ingest reads the whole district itself.

Nobody asks it to: a source never read is read in full at once. Whom it must have found, the
office says.
"""

from collections.abc import Mapping

from homeroom.demo.first_load import follow_run, reach_every_copy
from homeroom.demo.outside import Outside
from homeroom.demo.outsiders.office import Office
from homeroom.display import Advance
from homeroom.errors import CommandFailed
from homeroom.installation import SOURCE
from homeroom.operator_client import Page
from homeroom.services import SIS_INGEST
from homeroom.waiting import wait_for

WITHIN_S = 900.0
POLL_S = 0.2
ENTITIES: Mapping[str, str] = {
    "orgs": "org",
    "users": "user",
    "classes": "class",
    "enrollments": "enrollment",
}


def read_district(outside: Outside, office: Office) -> None:
    """Follow the first pull to every copy. Raises CommandFailed where something is not as told."""
    if office.emulated.hints:
        _subscribe(outside)
    pull = _first_pull(outside)
    with outside.journal.step("compare what was read", owner=SIS_INGEST.name) as step:
        report = follow_run(outside, str(pull["runId"]))
        outside.found["run"] = {
            "id": pull["runId"],
            "correlationId": pull["correlationId"],
            "report": report,
        }
        added = report["additions"]["byEntity"]
        expected = {name: int(added[entity]["applied"]) for name, entity in ENTITIES.items()}
        outside.found["pulled"] = expected
        step.detail = ", ".join(f"{count:,} {name}" for name, count in expected.items())
    reach_every_copy(outside, expected)
    _everybody_is_there(outside, office)


def _subscribe(outside: Outside) -> None:
    """What `homeroom doctor SOURCE --repair` does."""
    with outside.journal.step("set up the event subscription", owner=SIS_INGEST.name) as step:
        page = outside.operator.decide(SIS_INGEST, f"/sources/{SOURCE}/repair", {})
        if not page["ok"]:
            wrong = [one["what"] for one in page["findings"] if not one["ok"]]
            raise CommandFailed(f"not well at the SIS: {', '.join(wrong)}")
        step.detail = f"{len(page['findings'])} findings, all well"


def _first_pull(outside: Outside) -> Page:
    with outside.journal.step("pull the whole district", owner=SIS_INGEST.name) as step:
        with outside.journal.display.bar("items read") as advance:
            pull = wait_for(
                "the end of the first pull",
                lambda: _ended(outside, advance),
                within_s=WITHIN_S,
                every_s=POLL_S,
                check=outside.check,
            )
        if pull["state"] != "completed":
            raise CommandFailed(f"the pull ended as {pull['state']}: {pull['reason']}")
        pages = sum(one["pages"] for one in pull["sections"].values())
        step.detail = f"{pull['items']:,} items on {pages:,} pages"
    return pull


def _ended(outside: Outside, advance: Advance) -> Page | None:
    page = outside.operator.read(SIS_INGEST, "/pulls", source=SOURCE, limit=200)
    if not page["pulls"]:
        return None
    first: Page = page["pulls"][-1]
    totals = [one["total"] or one["items"] for one in first["sections"].values()]
    advance(int(first["items"]), max(sum(totals), int(first["items"]), 1))
    return first if first["state"] in {"completed", "failed"} else None


def _everybody_is_there(outside: Outside, office: Office) -> None:
    with outside.journal.step("the roster's students are the office's") as step:
        students, users = set(outside.vendor.ids("students")), set(outside.vendor.ids("users"))
        wrong = students ^ office.enrolled()
        strangers = users - students - office.ids(office.all("staff"))
        if wrong or strangers:
            few = ", ".join(sorted(wrong | strangers)[:5])
            raise CommandFailed(f"{len(wrong)} students and {len(strangers)} others differ: {few}")
        outside.expected.active |= users
        step.detail = f"{len(students):,} students, {len(users - students):,} others"
