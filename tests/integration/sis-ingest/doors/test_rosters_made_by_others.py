"""Each roster that others made imports, or is refused, as what is known of it leads one to expect."""

import io
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.support.ingest_service import Ingest, token

ROSTERS = Path(__file__).parents[5] / "shared/data/oneroster"
ENTITIES = ("org", "academicSession", "course", "class", "user", "enrollment", "demographics")
pytestmark = pytest.mark.skipif(
    not ROSTERS.is_dir(), reason="the rosters made by others are not here"
)


@dataclass(frozen=True, kw_only=True)
class Roster:
    """One of them, and what becomes of it. `read` counts rows in the order of ENTITIES."""

    path: str
    source: str = "files"
    only: dict[str, str] = field(default_factory=dict)
    state: str = "completed"
    reason: str | None = None
    read: tuple[int, ...] = ()
    gone: dict[str, int] = field(default_factory=dict)
    refusals: tuple[tuple[Any, ...], ...] = ()
    problems: tuple[tuple[Any, ...], ...] = ()
    warnings: tuple[tuple[Any, ...], ...] = ()

    def body(self) -> bytes:
        """The zip as it is, or the loose files packed."""
        path = ROSTERS / self.path
        if path.is_file():
            return path.read_bytes()
        files = self.only or {file.name: file.name for file in path.glob("*.csv")}
        made = io.BytesIO()
        with zipfile.ZipFile(made, "w") as archive:
            for name, file in files.items():
                archive.write(path / file, name)
        return made.getvalue()


SETS = {
    "edfi 1.1, a comma too many in two rows": Roster(
        path="edfi-lms/v1.1", read=(2, 3, 2, 2, 10, 24, 8)
    ),
    "edfi 1.0, no manifest": Roster(
        path="edfi-lms/v1.0",
        read=(2, 3, 2, 2, 10, 24, 8),
        warnings=(("read_as_1_0", None, None),),
    ),
    "oat, classes without a course": Roster(
        path="oat-import",
        state="refused",
        reason="too_many_bad_rows",
        problems=(("too_many_bad_rows", "classes.csv", None, None),),
        refusals=(("classes.csv", "missing", "course", 3, 2),),
        warnings=(
            ("read_as_1_0", None, None),
            ("unknown_column", "users.csv", "ext_imagineLearning_studentPassword"),
        ),
    ),
    "japan, a typo in the manifest": Roster(
        path="roster-hub-ja",
        read=(1, 4, 2, 5, 20, 30, 0),
        warnings=(("unknown_property", "manifest.csv", "fiel.demographics"),),
    ),
    "japan, zipped by its maker": Roster(
        path="roster-hub-ja/oneroster.zip", read=(1, 4, 2, 5, 20, 30, 0)
    ),
    "japan's export, which is no package": Roster(
        path="rosterhub-jp-export",
        only={"orgs.csv": "orgs.csv", "users.csv": "users.csv"},
        state="refused",
        reason="missing_file",
        problems=(("missing_file", "manifest.csv", None, None),),
    ),
    "japan's export, people without a school": Roster(
        path="rosterhub-jp-export",
        source="files-1.1",
        only={"orgs.csv": "orgs.csv", "users.csv": "users.csv"},
        state="refused",
        reason="too_many_bad_rows",
        problems=(("too_many_bad_rows", "users.csv", None, None),),
        refusals=(("users.csv", "missing", "roles", 4, 2),),
    ),
    "japan's export, its schools alone": Roster(
        path="rosterhub-jp-export",
        source="files-1.1",
        only={"orgs.csv": "orgs.csv"},
        read=(6, 0, 0, 0, 0, 0, 0),
        gone={"org": 1},
        warnings=(("read_as_1_1", None, None),),
    ),
    "japan's export, a header alone": Roster(
        path="rosterhub-jp-export",
        source="files-1.1",
        only={"orgs.csv": "orgs-header-only.csv"},
        state="refused",
        reason="empty_collection",
        problems=(("empty_collection", "orgs.csv", None, None),),
    ),
    "japan's export, a file without a byte": Roster(
        path="rosterhub-jp-export",
        source="files-1.1",
        only={"orgs.csv": "orgs.csv", "users.csv": "users-empty.csv"},
        state="refused",
        reason="empty_file",
        problems=(("empty_file", "users.csv", None, None),),
    ),
    "moodle 1.1, full": Roster(
        path="moodle-enrol/Test_full_data_set.zip",
        read=(1, 5, 0, 2, 6, 6, 0),
        gone={"academicSession": 2, "class": 1},
    ),
    "moodle 1.1, minimal": Roster(
        path="moodle-enrol/Test_minimal_data_set.zip", read=(1, 5, 0, 2, 6, 6, 0)
    ),
    "moodle 1.2, full": Roster(
        path="moodle-enrol/v1p2_full_dataset.zip",
        read=(1, 5, 0, 2, 6, 6, 0),
        gone={"academicSession": 2, "class": 1},
        warnings=(
            ("unread_file", "userprofiles.csv", None),
            ("misnamed_column", "users.csv", "prefferedGivenName"),
            ("misnamed_column", "roles.csv", "dataLastModified"),
        ),
    ),
    "moodle 1.2, delta": Roster(
        path="moodle-enrol/oneroster_test_data.zip", read=(1, 1, 1, 1, 1, 1, 1)
    ),
}


async def load(ingest: Ingest, roster: Roster) -> dict[str, Any]:
    return await ingest.load(roster.body(), source=roster.source)


async def live(ingest: Ingest, entity: str, *, source: str = "files") -> dict[str, dict[str, Any]]:
    """Records that the source speaks for now, by its own id."""
    rows = await ingest.pool.fetch(
        "SELECT external_id, data::text FROM sis_ingest.source_record"
        " WHERE source_id = $1 AND entity = $2 AND NOT deleted",
        source,
        entity,
    )
    return {row["external_id"]: orjson.loads(row["data"]) for row in rows}


@pytest.mark.parametrize("name", SETS)
async def test_a_roster_made_by_others_does_what_is_expected_of_it(
    ingest: Ingest, name: str
) -> None:
    roster = SETS[name]

    report = await load(ingest, roster)

    assert (report["state"], report["problems"]) == (
        roster.state,
        [
            {k: v for k, v in zip(("code", "file", "row", "column"), one, strict=True) if v}
            for one in roster.problems
        ],
    )
    assert [tuple(one.values()) for one in report["refusals"]] == list(roster.refusals)
    warned = {(w["code"], w.get("file"), w.get("column")) for w in report["warnings"]}
    assert set(roster.warnings) <= warned
    counts = await ingest.value("SELECT count(*) FROM sis_ingest.source_record")
    assert counts == sum(roster.read)
    if roster.state == "completed":
        assert (
            tuple(report["counts"].get(entity, {}).get("changed", 0) for entity in ENTITIES)
            == roster.read
        )
        for entity, read in zip(ENTITIES, roster.read, strict=True):
            stood = await live(ingest, entity, source=roster.source)
            assert len(stood) == read - roster.gone.get(entity, 0)


async def test_the_same_people_come_out_of_1_0_and_1_1(ingest: Ingest) -> None:
    def same(record: dict[str, Any]) -> dict[str, Any]:
        names = ("givenName", "familyName", "username", "email", "enabledUser", "roles")
        return {name: record.get(name) for name in names}

    first = await load(ingest, SETS["edfi 1.0, no manifest"])
    people = {one: same(record) for one, record in (await live(ingest, "user")).items()}
    enrolled = set(await live(ingest, "enrollment"))
    births = {one: r["birthDate"] for one, r in (await live(ingest, "demographics")).items()}
    ours = await ingest.people()
    second = await load(ingest, SETS["edfi 1.1, a comma too many in two rows"])

    assert (first["state"], second["state"]) == ("completed", "completed")
    assert {one: same(record) for one, record in (await live(ingest, "user")).items()} == people
    assert set(await live(ingest, "enrollment")) == enrolled
    later = {one: r["birthDate"] for one, r in (await live(ingest, "demographics")).items()}
    assert later == births
    assert await ingest.people() == ours
    assert second["removals"]["byEntity"]["user"]["missing"] == 0


@pytest.mark.parametrize("name", ["moodle 1.1, full", "moodle 1.2, full", "moodle 1.2, delta"])
async def test_no_password_of_theirs_is_kept_outside_the_raw_file(
    ingest: Ingest, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    await load(ingest, SETS[name])

    for secret in ("Password1", "Batman"):
        for table in ("source_record", "resolved_record", "run"):
            found = await ingest.value(
                f"SELECT count(*) FROM sis_ingest.{table} t WHERE to_jsonb(t)::text LIKE $1",
                f"%{secret}%",
            )
            assert found == 0
        assert not await ingest.value(
            "SELECT count(*) FROM log.event WHERE position($1::bytea IN value) > 0",
            secret.encode(),
        )
        assert secret not in caplog.text


async def test_a_report_of_a_messy_roster_holds_no_value_of_it(ingest: Ingest) -> None:
    report = await load(ingest, SETS["oat, classes without a course"])
    page = await ingest.http.get(f"/snapshots/{report['runId']}", headers=token("viewer"))

    for value in ("padurariu", "ionut", "Class 1 title", "School 1"):
        assert value not in page.text
