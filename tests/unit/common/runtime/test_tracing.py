"""One trace and one correlation id from the door on; no texts of errors in spans."""

import io
import json
import logging
from collections.abc import AsyncIterator, Iterator

import httpx2
import pytest
import structlog
from fastapi import APIRouter, FastAPI, Response
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from pydantic import SecretStr

from roster_common.errors import Fatal
from roster_common.runtime import tracing
from roster_common.runtime.correlation import current_correlation_id
from roster_common.runtime.logging import configure_logging
from roster_common.runtime.metrics import sample
from roster_common.runtime.problems import install_problem_handlers
from roster_common.runtime.settings import ServiceSettings
from roster_common.runtime.tracing import CorrelationMiddleware

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def _settings(**given: object) -> ServiceSettings:
    return ServiceSettings(service="t", port=1, database_url=SecretStr("postgresql:///x"), **given)


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    tracing.configure(_settings(), exporter=exporter)
    yield exporter
    tracing.configure(_settings())


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    before = structlog.get_config()
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    configure_logging(service="t", stream=stream)
    yield stream
    structlog.configure(**before)
    root.handlers = handlers
    root.setLevel(level)


def _app() -> FastAPI:
    app = FastAPI()
    install_problem_handlers(app)
    router = APIRouter(prefix="/people")

    @router.get("/{person_id}")
    async def person(person_id: str) -> dict[str, str | None]:
        return {"seen": current_correlation_id(), "trace": tracing.current_traceparent()}

    @app.get("/broken")
    async def broken() -> None:
        raise KeyError("Zacharias")

    async def inner(scope, receive, send) -> None:
        scope[tracing.ROUTE_KEY] = "/plain/{id}"
        await Response("ok")(scope, receive, send)

    app.include_router(router)
    app.mount("/plain", inner)
    app.add_middleware(CorrelationMiddleware)
    return app


@pytest.fixture
async def client() -> AsyncIterator[httpx2.AsyncClient]:
    transport = httpx2.ASGITransport(app=_app())
    async with httpx2.AsyncClient(transport=transport, base_url="http://t") as client:
        yield client


async def test_a_safe_correlation_id_is_kept_and_sent_back(client):
    answer = await client.get("/people/7", headers={"x-correlation-id": "ab.C-1_2"})

    assert answer.json()["seen"] == "ab.C-1_2"
    assert answer.headers["x-correlation-id"] == "ab.C-1_2"


@pytest.mark.parametrize("offered", ["a b", "x" * 129, 'a"b', ""])
async def test_an_unsafe_correlation_id_is_replaced(client, offered):
    answer = await client.get("/people/7", headers={"x-correlation-id": offered})

    assert len(answer.headers["x-correlation-id"]) == 36


async def test_a_request_continues_the_callers_trace(client):
    answer = await client.get("/people/7", headers={"traceparent": PARENT})

    assert answer.json()["trace"].split("-")[1] == "0af7651916cd43dd8448eb211c80319c"
    assert answer.json()["trace"].split("-")[2] != "b7ad6b7169203331"


async def test_an_error_nobody_foresaw_is_a_problem_without_its_text(client, lines):
    answer = await client.get("/broken", headers={"x-correlation-id": "c-1"})

    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["x-correlation-id"] == "c-1"
    assert answer.json() == {
        "type": "/problems/internal_error",
        "title": "Something went wrong here",
        "status": 500,
        "code": "internal_error",
        "correlationId": "c-1",
    }
    failed, request = (json.loads(line) for line in lines.getvalue().splitlines())
    assert failed["event"] == "request_failed"
    assert failed["error_chain"][0]["type"] == "builtins.KeyError"
    assert (request["status"], request["correlation_id"]) == (500, "c-1")
    assert "Zacharias" not in lines.getvalue()


async def test_the_log_and_the_metrics_name_the_route_and_not_the_path(client, lines):
    labels = {"method": "GET", "route": "/people/{person_id}", "status": "200"}
    before = sample("http_requests_total", **labels)

    await client.get("/people/Zacharias?q=Zacharias")

    (line,) = (json.loads(line) for line in lines.getvalue().splitlines())
    assert line["route"] == "/people/{person_id}"
    assert "Zacharias" not in lines.getvalue()
    assert sample("http_requests_total", **labels) == before + 1


@pytest.mark.parametrize(
    ("path", "route"), [("/plain/9", "/plain/{id}"), ("/no/such/page", "unmatched")]
)
async def test_plain_applications_and_unknown_paths_have_a_route_label_too(
    client, path, route, lines
):
    await client.get(path)

    (line,) = (json.loads(line) for line in lines.getvalue().splitlines())
    assert line["route"] == route


def test_a_span_is_marked_by_the_class_of_an_error_only(spans):
    with (
        pytest.raises(ValueError, match="Zacharias"),
        tracing.start_span("work", email="Zacharias"),
    ):
        raise ValueError("Zacharias")

    (span,) = spans.get_finished_spans()
    assert span.status.description == "ValueError"
    assert "Zacharias" not in span.to_json()


def test_a_trace_goes_on_from_an_event(spans):
    with tracing.with_remote_parent(PARENT), tracing.start_span("apply", event="e-1"):
        found = tracing.current_traceparent()

    (span,) = spans.get_finished_spans()
    assert found is not None
    assert found.startswith("00-0af7651916cd43dd8448eb211c80319c-")
    assert f"{span.parent.span_id:016x}" == "b7ad6b7169203331"


@pytest.mark.parametrize("nonsense", [None, "", "zz", "00-0-0-00"])
def test_a_bad_traceparent_makes_no_difference(nonsense):
    with tracing.with_remote_parent(nonsense):
        assert tracing.current_traceparent() is None


def test_without_an_exporter_ids_still_travel():
    tracing.configure(_settings())

    with tracing.start_span("work"):
        assert tracing.current_traceparent() is not None


def test_an_id_asked_for_outside_of_any_door_is_a_bug():
    with pytest.raises(Fatal):
        current_correlation_id()
