"""Requests that nobody thought of, made by schemathesis from the document that we serve.

It knows nothing of us but the discovery file: what it finds in an answer that the document does not
have is a fault of one of the two.
"""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import httpx2
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode
from schemathesis.checks import CHECKS, load_all_checks
from schemathesis.schemas import APIOperation

from roster_common.runtime.database import Database
from tests.support.eventually import eventually
from tests.support.oneroster_records import (
    Record,
    class_,
    demographics,
    enrollment,
    ref,
    role,
    school_world,
    session,
    user,
)
from tests.support.processes import Program, start_service
from tests.support.publishing import Publishing

DISCOVERY = "/ims/oneroster/rostering/v1p2/discovery/onerosterv1p2rostersservice_openapi3_v1p0.json"
SCOPES = "https://purl.imsglobal.org/spec/or/v1p2/scope/"
CLIENTS = (
    '[{"id": "vendor", "secret": "made-up-secret", "district": "d1",'
    f' "scopes": ["{SCOPES}roster.readonly", "{SCOPES}roster-demographics.readonly"]}}]'
)
# Ids are hard to guess: some requests get ones that are there, among them one that must be escaped.
IDS = ("s1", "t1", "g1", "c1", "k1", "k/2 \u00fc", "u000", "teo", "e1", "e2")
FILTERS = (
    "status='active'",
    "dateLastModified>'2026-01-01'",
    "sourcedId>'a' OR status!='active'",
    "sourcedId~'%_\\'",
)
WORLD: list[tuple[str, Record]] = [
    *school_world(users=2),
    ("academicSession", session("g1", type="gradingPeriod", parent=ref("academicSession", "t1"))),
    ("class", class_("k/2 \u00fc", periods=["1"])),
    ("user", user("teo", role(kind="teacher"), email="t@x.test")),
    ("enrollment", enrollment("e1", user="u000")),
    ("enrollment", enrollment("e2", user="teo", class_id="k/2 \u00fc", role="teacher")),
    ("demographics", demographics("u000")),
]
CHECKED = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
)


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
    """Something in every collection, deleted things among them."""
    database = Database(publisher_url, name="test", pool_size=3)
    publishing = Publishing(database=database)
    await publishing.publish(*WORLD)
    await publishing.publish(("user", "u001"))
    await database.close()


async def _token(url: str) -> str:
    async def ask() -> str | None:
        form = {"grant_type": "client_credentials"}
        told = await http.post("/oauth2/token", data=form, auth=("vendor", "made-up-secret"))
        return told.json().get("access_token")

    async with httpx2.AsyncClient(base_url=url, timeout=30) as http:
        return await eventually(ask, what="a token")


@pytest.mark.timeout(240)
async def test_no_made_up_request_gets_an_answer_that_the_document_does_not_have(
    filled: None, service: Program
) -> None:
    token = await _token(service.url)
    described = httpx2.get(service.url + DISCOVERY, timeout=30).json()
    (server,) = described["servers"]
    operations = list(schemathesis.openapi.from_dict(described).get_all_operations())
    statuses: Counter[int] = Counter()
    for operation in operations:
        _try(operation.ok(), server["url"], {"Authorization": f"Bearer {token}"}, statuses)

    assert len(operations) == 41
    assert {200, 400, 404} <= statuses.keys()
    assert statuses[200] > 50


def _try(
    operation: APIOperation, server: str, headers: dict[str, str], statuses: Counter[int]
) -> None:
    """Requests as the document allows them, then ones that it does not."""
    load_all_checks()
    checks = CHECKS.get_by_names(list(CHECKED))

    def attempt(case: Case, data: st.DataObject) -> None:
        if case.meta.generation.mode is GenerationMode.POSITIVE:
            _use_what_is_there(case, data)
        answer = case.call(base_url=server, headers=headers)
        statuses[answer.status_code] += 1
        case.validate_response(answer, checks=checks)

    for mode, examples in ((GenerationMode.POSITIVE, 15), (GenerationMode.NEGATIVE, 10)):
        cases = operation.as_strategy(generation_mode=mode)
        tried = settings(
            max_examples=examples,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        )
        tried(given(case=cases, data=st.data())(attempt))()


def _use_what_is_there(case: Case, data: st.DataObject) -> None:
    """Some of the ids and filters become ones that find something; a selection would leave out
    what the document requires of a body, so there is none.
    """
    for name in case.path_parameters:
        if (one := data.draw(st.sampled_from((None, *IDS)))) is not None:
            case.path_parameters[name] = quote(one, safe="")
    case.query.pop("fields", None)
    if "filter" in case.query:
        case.query["filter"] = data.draw(st.sampled_from(FILTERS))
    if data.draw(st.booleans()):
        case.headers.pop("X-Roster-Revision", None)
