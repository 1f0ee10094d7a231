"""Drops as operators see them: imported by the one road, told in readiness, metrics and settings."""

import io
import os
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from tests.support.csv_package import HEADERS
from tests.support.eventually import eventually
from tests.support.ingest_service import Ingest, running_ingest, token
from tests.support.ingesting import ORGS, SECRET, csv, district, manifest, org_row, user
from tests.support.ports import own_port
from tests.support.sftp_servers import PASSWORD, in_process


async def drops(ingest: Ingest) -> dict[str, Any]:
    """What readiness says of them."""
    page = (await ingest.http.get("/readyz")).json()
    return page["checks"]["drops"]


def source(source_id: str, **drop: object) -> dict[str, Any]:
    return {"id": source_id, "district": "d1", **drop}


def sftp(**told: object) -> dict[str, Any]:
    """An SFTP folder on a server that is not there."""
    key = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()
    return {
        "host": "127.0.0.1", "port": own_port(), "username": "x", "password": PASSWORD,
        "hostKey": key, "everySeconds": 1, **told,
    }  # fmt: skip


async def test_a_file_in_a_folder_is_imported_while_another_drop_is_down(
    ingest_url: str, tmp_path: Path
) -> None:
    folder = tmp_path / "left-here"
    folder.mkdir()
    sources = [
        source("down", sftp=sftp()),
        source("up", folder={"path": str(folder), "everySeconds": 1}),
        source("gone", folder={"path": str(tmp_path / "not-there"), "everySeconds": 1}),
    ]
    async with running_ingest(ingest_url, tmp_path, sources=sources) as ingest:
        (folder / "roster.zip").write_bytes(district())

        async def imported() -> bool:
            return set(await ingest.people()) == {"u1", "u2"}

        await eventually(imported, within_s=30, what="the file is imported")

        async def told() -> dict[str, Any]:
            page = await drops(ingest)
            assert page["sources"]["down"]["fault"] == "unreachable"
            assert page["sources"]["gone"]["fault"] == "no_folder"
            assert page["sources"]["up"]["tookAt"] is not None
            return page

        page = await eventually(told)
        assert (page["ok"], page["critical"]) == (False, False)
        up = page["sources"]["up"]
        assert (up["fault"], up["failures"], up["waiting"]) == (None, 0, 0)
        assert (await ingest.http.get("/readyz")).status_code == 200
        metrics = (await ingest.http.get("/metrics")).text
        assert 'drop_looks_total{outcome="unreachable",source="down"}' in metrics
        assert 'drop_files_taken_total{source="up"} 1.0' in metrics
        assert PASSWORD not in metrics + str(page)
        assert "roster.zip" not in metrics + str(page)
        runs = await ingest.value("SELECT count(*) FROM sis_ingest.run")
        assert runs == 1


async def test_a_drop_that_comes_back_is_looked_at_again(ingest_url: str, tmp_path: Path) -> None:
    folder = tmp_path / "left-here"
    sources = [source("s", folder={"path": str(folder), "everySeconds": 1})]
    async with running_ingest(ingest_url, tmp_path, sources=sources) as ingest:

        async def away() -> bool:
            return (await drops(ingest))["sources"]["s"]["fault"] == "no_folder"

        await eventually(away)
        folder.mkdir()

        async def back() -> bool:
            page = await drops(ingest)
            return page["ok"] and page["sources"]["s"]["failures"] == 0

        await eventually(back, within_s=30, what="the drop is well again")


async def test_without_drops_readiness_is_silent_of_them(ingest: Ingest) -> None:
    assert "drops" not in (await ingest.http.get("/readyz")).json()["checks"]


@pytest.mark.parametrize("kind", ["folder", "sftp"])
async def test_files_come_the_same_way_from_either_kind_of_drop(
    ingest_url: str, tmp_path: Path, kind: str
) -> None:
    """The names of loose files need not be those of a package."""
    folder = tmp_path / "left-here"
    folder.mkdir()
    loose = {"pattern": "ic_{name}_*.csv", "everySeconds": 1, "doneMarker": True}
    async with in_process(folder) as server:
        at: dict[str, Any] = (
            {"path": str(folder), **loose}
            if kind == "folder"
            else {
                **sftp(**loose), "port": server.port, "username": server.username,
                "hostKey": server.host_key, "folder": server.at,
            }
        )  # fmt: skip
        async with running_ingest(
            ingest_url, tmp_path, sources=[source("s", **{kind: at})]
        ) as ingest:
            leave_loose(folder, district())

            async def imported() -> bool:
                return set(await ingest.people()) == {"u1", "u2"}

            await eventually(imported, within_s=30, what="the files are imported")


async def test_a_file_that_stands_unchanged_beside_a_new_one_undoes_no_webhook_since(
    ingest_url: str, tmp_path: Path
) -> None:
    """The others of the night never came: users.csv says what it said ten hours ago."""
    folder = tmp_path / "left-here"
    folder.mkdir()
    drop = {"path": str(folder), "pattern": "{name}.csv", "everySeconds": 1}
    sources = [source("s", folder=drop, secrets=[SECRET])]
    async with running_ingest(ingest_url, tmp_path, sources=sources) as ingest:
        for name, body in files_of(district()).items():
            leave(folder / name, body, hours_ago=10)
        await imports(ingest, 1)
        five_hours_ago = -4 * 3600
        for told in (user("u1", given="Grace"), user("u3", given="Mary")):
            await ingest.send("users.upserted", told, source="s", at=five_hours_ago)
        await ingest.send("users.deleted", {"sourcedId": "u2"}, source="s", at=five_hours_ago)
        await ingest.settled()
        orgs = csv(ORGS, org_row("district-1", "district"), org_row("school-1", "department"))
        leave(folder / "orgs.csv", orgs, hours_ago=2)

        await imports(ingest, 2)

        assert await ingest.people() == {"u1": "Grace", "u3": "Mary"}
        assert await ingest.value(KIND_OF_SCHOOL) == "department", "what is new was read"
        (run, _) = (await ingest.http.get("/runs", headers=token("viewer"))).json()["runs"]
        assert sorted(run["unchangedFiles"]) == [
            "academicSessions.csv", "classes.csv", "courses.csv", "enrollments.csv",
            "manifest.csv", "users.csv",
        ]  # fmt: skip
        late = user("u1", given="Ann")
        await ingest.send("users.upserted", late, source="s", at=five_hours_ago + 3600)
        await ingest.settled()
        assert await ingest.people() == {"u1": "Ann", "u3": "Mary"}, "no file knew better"


async def test_new_roles_beside_old_users_undo_no_webhook_since(
    ingest_url: str, tmp_path: Path
) -> None:
    """Of 1.2. Of the night's files roles.csv alone came, twice: users.csv is of the night before."""
    folder = tmp_path / "left-here"
    folder.mkdir()
    drop = {"path": str(folder), "pattern": "{name}.csv", "everySeconds": 1}
    sources = [source("s", folder=drop, secrets=[SECRET])]
    async with running_ingest(ingest_url, tmp_path, sources=sources) as ingest:
        for name, body in PACKAGE_12.items():
            leave(folder / name, body, hours_ago=10)
        await imports(ingest, 1)
        five_hours_ago = -5 * 3600
        for told in (user("u1", given="Grace"), user("u3", given="Mary")):
            await ingest.send("users.upserted", told, source="s", at=five_hours_ago)
        await ingest.send("users.deleted", {"sourcedId": "u2"}, source="s", at=five_hours_ago)
        await ingest.settled()
        told = {"u1": "Grace", "u3": "Mary", "u4": "Ann"}
        for number, (hours_ago, role) in enumerate([(3, "teacher"), (2, "aide")], start=2):
            leave(folder / "roles.csv", roles_12(u4=role), hours_ago=hours_ago)

            await imports(ingest, number)

            assert await ingest.people() == told, "who came, went or was renamed since stays so"
            assert await ingest.value(ROLE_OF, "u4") == role, "what is new was read"
        runs = (await ingest.http.get("/runs", headers=token("viewer"))).json()["runs"]
        assert [run["removals"]["applied"] for run in runs] == [0, 0, 0]
        assert "users.csv" in runs[0]["unchangedFiles"]


def roles_12(**roles: str) -> bytes:
    """roles.csv of students u1, u2 and u4, but for those named."""
    told = {"u1": "student", "u2": "student", "u4": "student", **roles}
    return csv(
        HEADERS["1.2"]["roles"].split(","),
        *(
            (f"r-{one}", "", "", one, "primary", role, "", "", "school-1", "")
            for one, role in told.items()
        ),
    )


USERS_12 = HEADERS["1.2"]["users"].split(",")
PACKAGE_12 = {
    "manifest.csv": manifest("1.2", dict.fromkeys(("orgs", "users", "roles"), "bulk")),
    "orgs.csv": csv(ORGS, org_row("school-1")),
    "users.csv": csv(
        USERS_12,
        *(
            [
                {"sourcedId": one, "username": one, "enabledUser": "true", "givenName": given,
                 "familyName": "Byron"}.get(name, "")
                for name in USERS_12
            ]
            for one, given in (("u1", "Ada"), ("u2", "Ida"), ("u4", "Ann"))
        ),
    ),
    "roles.csv": roles_12(),
}  # fmt: skip
ROLE_OF = """
SELECT data->'roles'->0->>'role' FROM sis_ingest.resolved_record
WHERE entity = 'user' AND entity_id = $1
"""
KIND_OF_SCHOOL = """
SELECT data->>'type' FROM sis_ingest.resolved_record
WHERE entity = 'org' AND entity_id = 'school-1'
"""


async def imports(ingest: Ingest, number: int) -> None:
    """Returns when this many runs have been completed."""

    async def completed() -> bool:
        query = "SELECT count(*) FROM sis_ingest.run WHERE state = 'completed'"
        return bool(await ingest.value(query) == number)

    await eventually(completed, within_s=60, what="the files are imported")


def leave(path: Path, body: bytes, *, hours_ago: int) -> None:
    """A file written then."""
    path.write_bytes(body)
    at = (datetime.now(UTC) - timedelta(hours=hours_ago)).timestamp()
    os.utime(path, (at, at))


def files_of(body: bytes) -> dict[str, bytes]:
    """The files of a package by name."""
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def leave_loose(folder: Path, body: bytes) -> None:
    """The package's files one by one, with a stamp in their names and a marker beside each."""
    for name, content in files_of(body).items():
        left = folder / f"ic_{name.removesuffix('.csv')}_20260901.csv"
        left.write_bytes(content)
        (folder / f"{left.name}.done").touch()
