"""Operator commands against real services: two run as processes, the two others are away."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest

from homeroom.migrate import migrate_all
from homeroom.services import ROSTER_PUBLISHER, SIS_INGEST
from roster_common.runtime.tokens import Role, mint
from tests.support.demo import free_port_base
from tests.support.eventually import eventually_sync
from tests.support.homeroom_command import Commands
from tests.support.ingest_service import PRIVATE_KEY, environment
from tests.support.ingesting import district, envelope, signed, user
from tests.support.processes import start_service

SCHOOL = {"sourcedId": "school-1", "name": "North", "type": "school", "identifier": "1"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """Where the services are."""

    base: int

    def url(self, offset: int) -> str:
        return f"http://127.0.0.1:{self.base + offset}"

    def send(self, kind: str, record: dict[str, Any]) -> str:
        """Post a record as the source does; returns the correlation id."""
        now = datetime.now(UTC)
        body = envelope(kind, record, at=now)
        headers = signed(body, webhook_id=f"m-{record['sourcedId']}", at=now)
        answer = httpx2.post(
            f"{self.url(0)}/webhooks/sis", content=body, headers=headers, timeout=30
        )
        assert answer.status_code == 202, answer.text
        return str(answer.json()["correlationId"])


def token(role: Role = "admin", *, ago: timedelta = timedelta()) -> str:
    """An operator's token for d1, made some time ago for an hour."""
    return mint(
        PRIVATE_KEY,
        subject="test",
        role=role,
        districts=["d1"],
        now=datetime.now(UTC) - ago,
        lifetime=timedelta(hours=1),
    )


@pytest.fixture(scope="module")
def box(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    folder, base = tmp_path_factory.mktemp("box"), free_port_base()
    migrate_all(module_database_url, on_schema=lambda _schema: None)
    env = {**environment(module_database_url, folder), "HOMEROOM_SETTLE_SECONDS": "0"}
    programs = [
        start_service(
            service.module,
            folder=folder,
            env={**env, "HOMEROOM_PORT": str(base + service.offset)},
        )
        for service in (SIS_INGEST, ROSTER_PUBLISHER)
    ]
    yield Box(base=base)
    for program in programs:
        program.kill()


@pytest.fixture
def run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Commands:
    return Commands(folder=tmp_path, capsys=capsys, monkeypatch=monkeypatch)


def test_a_webhook_is_traced_through_the_services_that_answer(box: Box, run: Commands) -> None:
    box.send("orgs.upserted", SCHOOL)
    correlation = box.send("users.upserted", user("u-7"))
    bearer = {"authorization": f"Bearer {token('viewer')}"}

    def state_is_known() -> bool:
        page = httpx2.get(f"{box.url(1)}/trace/people/u-7", headers=bearer, timeout=30).json()
        return any(copy["kind"] == "person_state" for copy in page["copies"])

    eventually_sync(state_is_known, within_s=30, what="the person's state is told")
    copies = run(box.base, "trace", "u-7", token=token("viewer"))
    steps = run(box.base, "trace", "--delivery", correlation, token=token("viewer"))

    assert {tuple(line[:5]) for line in copies.rows()[1:-2]} >= {
        ("sis-ingest", "source_record", "sis", "d1", "active"),
        ("sis-ingest", "resolved_record", "resolved", "d1", "active"),
        ("roster-publisher", "user", "roster", "d1", "active"),
        ("roster-publisher", "person_state", "roster.state", "d1", "active"),
    }
    assert all(correlation in line for line in copies.rows()[1:-2])
    whats = [line[2] for line in steps.rows()[2:-2]]
    assert whats[0] == "delivery.accepted"
    assert set(whats) >= {"records.changed", "roster.published", "person.derived"}
    for ran in (copies, steps):
        assert ran.out.splitlines()[-2:] == [
            "directory-sync does not answer",
            "ticket-events does not answer",
        ]
        assert ran.code == 3


def test_a_file_is_reported_and_a_smaller_role_is_told_so(
    box: Box, run: Commands, tmp_path: Path
) -> None:
    file = tmp_path / "roster.zip"
    file.write_bytes(district())
    words = ("snapshot", str(file), "--source", "files")

    refused = run(box.base, *words, token=token("viewer"))
    loaded = run(box.base, *words, token=token("operator"))

    assert refused.err.strip() == (
        "POST /snapshots/files answered 403: This needs the role operator; "
        "the operator token has a smaller role; see `homeroom token --role`"
    )
    assert refused.code == 1
    assert ["enrollment", "2", "2", "0"] in [line[:4] for line in loaded.rows()]
    assert loaded.code == 0


def test_status_tells_who_is_ready_and_what_a_token_that_has_ended_hides(
    box: Box, run: Commands
) -> None:
    fine = run(box.base, "status", "--district", "d1", token=token("viewer"))
    ended = run(box.base, "status", "--district", "d1", token=token(ago=timedelta(hours=2)))

    for ran in (fine, ended):
        assert {line[0]: line[1] for line in ran.rows()[1:6]} == {
            "log-keeper": "does",
            "sis-ingest": "yes",
            "roster-publisher": "yes",
            "directory-sync": "does",
            "ticket-events": "does",
        }
        assert ran.code == 3
    assert "token has ended" in ended.out
    assert "token has ended" not in fine.out
