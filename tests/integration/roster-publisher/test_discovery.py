"""The discovery files of the service as a process: real addresses, and all that they name is there."""

import re
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from roster_common.runtime.database import Database
from tests.support.eventually import eventually
from tests.support.official_oneroster import check_answer
from tests.support.oneroster_records import demographics, enrollment, ref, role, session, user
from tests.support.oneroster_records import school_world as world
from tests.support.processes import Program, start_service
from tests.support.publishing import Publishing

BASE_PATH = "/ims/oneroster/rostering/v1p2"
FILES = (
    "onerosterv1p2rostersservice_openapi3_v1p0.json",
    "imsorv1p2_rostering_openapi3_v1p0.json",
)
SCOPES = "https://purl.imsglobal.org/spec/or/v1p2/scope/"
CLIENTS = (
    '[{"id": "vendor", "secret": "made-up-secret", "district": "d1",'
    f' "scopes": ["{SCOPES}roster.readonly", "{SCOPES}roster-demographics.readonly"]}}]'
)
# An object for each place in a path.
IDS = {
    "orgs": "s1",
    "schools": "s1",
    "academicSessions": "t1",
    "terms": "t1",
    "gradingPeriods": "g1",
    "courses": "c1",
    "classes": "k1",
    "users": "u000",
    "students": "u000",
    "teachers": "teo",
    "enrollments": "e1",
    "demographics": "u000",
}


@pytest.fixture
def service(publisher_url: str, tmp_path: Path) -> Iterator[Program]:
    """The process, ready."""
    env = {
        "HOMEROOM_DATABASE_URL": publisher_url,
        "HOMEROOM_ENVIRONMENT": "test",
        "HOMEROOM_CLIENTS": CLIENTS,
    }
    program = start_service("roster_publisher", folder=tmp_path, env=env)
    yield program
    program.kill()


@pytest.fixture
async def filled(publisher_url: str) -> None:
    """At least one object in every collection and sub-collection."""
    database = Database(publisher_url, name="test", pool_size=3)
    publishing = Publishing(database=database)
    await publishing.publish(
        *world(users=1),
        (
            "academicSession",
            session("g1", type="gradingPeriod", parent=ref("academicSession", "t1")),
        ),
        ("user", user("teo", role(kind="teacher"))),
        ("enrollment", enrollment("e1", user="u000")),
        ("enrollment", enrollment("e2", user="teo", role="teacher")),
        ("demographics", demographics("u000")),
    )
    await database.close()


async def test_anybody_reads_both_files_and_a_vendor_finds_its_way_from_them(
    filled: None, service: Program
) -> None:
    async with httpx2.AsyncClient(timeout=30) as http:
        found = [await http.get(f"{service.url}{BASE_PATH}/discovery/{name}") for name in FILES]
        described = found[0].json()
        flow = described["components"]["securitySchemes"]["OAuth2CC"]["flows"]["clientCredentials"]
        form = {"grant_type": "client_credentials", "scope": " ".join(flow["scopes"])}

        async def ask() -> str | None:
            told = await http.post(flow["tokenUrl"], data=form, auth=("vendor", "made-up-secret"))
            return told.json().get("access_token")

        headers = {"Authorization": f"Bearer {await eventually(ask, what='a token')}"}
        (server,) = described["servers"]
        rows = {}
        for path in described["paths"]:
            ids = {name: IDS[word] for word, name in re.findall(r"/(\w+)/\{(\w+)\}", path)}
            answer = await http.get(server["url"] + path.format(**ids), headers=headers)
            check_answer(path, answer)
            (rows[path],) = answer.json().values()

    assert [one.status_code for one in found] == [200, 200]
    assert found[0].content == found[1].content
    assert server["url"] == f"{service.url}{BASE_PATH}"
    assert len(rows) == 41
    assert all(rows.values()), [path for path, row in rows.items() if not row]


@pytest.mark.parametrize(
    "path", ["/discovery", "/discovery/openapi.json", f"/discovery/{FILES[0]}/x", f"/x/{FILES[0]}"]
)
async def test_nothing_else_is_open_to_anybody(publishing: Publishing, path: str) -> None:
    async with publishing.http() as anyone:
        answer = await anyone.get(path)
        posted = await anyone.post(f"/discovery/{FILES[0]}")

    assert (answer.status_code, posted.status_code) == (401, 401)


async def test_the_document_names_the_address_that_the_caller_used(publishing: Publishing) -> None:
    async with publishing.http() as anyone:
        answer = await anyone.get(f"/discovery/{FILES[1]}", headers={"Host": "district.example"})
        strange = await anyone.get(f"/discovery/{FILES[1]}", headers={"Host": "<x>"})

    assert answer.json()["servers"] == [{"url": "http://district.example"}]
    assert strange.status_code == 400
