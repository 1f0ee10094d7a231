"""Readiness says which dependency fails, in bounded time, and a stopping process takes no work."""

import asyncio
from collections.abc import Awaitable, Callable

import httpx2
from fastapi import FastAPI

from roster_common.runtime.health import Check, Health
from roster_common.testkit.clock import FixedClock


def _says(ok: bool, **detail: str) -> Callable[[], Awaitable[Check]]:
    async def check() -> Check:
        return Check(ok=ok, detail=detail)

    return check


def _health() -> Health:
    return Health(service="t", clock=FixedClock())


async def _get(health: Health, path: str) -> httpx2.Response:
    app = FastAPI()
    app.include_router(health.router())
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://t") as client:
        return await client.get(path)


async def test_a_service_whose_checks_pass_is_ready():
    health = _health()
    health.add("database", _says(True, version="18"))

    answer = await _get(health, "/readyz")

    assert answer.status_code == 200
    assert answer.json() == {
        "status": "ready",
        "service": "t",
        "checks": {"database": {"ok": True, "critical": True, "version": "18"}},
    }


async def test_a_critical_dependency_that_fails_makes_it_unready():
    health = _health()
    health.add("database", _says(False))

    answer = await _get(health, "/readyz")

    assert (answer.status_code, answer.json()["status"]) == (503, "unready")


async def test_another_dependency_that_fails_only_degrades_it():
    health = _health()
    health.add("kafka", _says(False), critical=False)

    answer = await _get(health, "/readyz")

    assert (answer.status_code, answer.json()["status"]) == (200, "degraded")


async def test_an_error_in_a_check_is_shown_by_its_class():
    async def broken() -> Check:
        raise ConnectionError("password=hunter2")

    health = _health()
    health.add("database", broken)

    answer = await _get(health, "/readyz")

    assert answer.json()["checks"]["database"]["error"] == "ConnectionError"
    assert "hunter2" not in answer.text


async def test_a_check_that_hangs_is_cut_off():
    async def hangs() -> Check:
        await asyncio.Event().wait()
        return Check(ok=True)

    health = Health(service="t", clock=FixedClock(), check_timeout_s=0.01)
    health.add("broker", hangs)

    answer = await _get(health, "/readyz")

    assert answer.json()["checks"]["broker"]["error"] == "timeout"


async def test_many_questions_at_once_ask_a_dependency_once():
    asked = 0

    async def check() -> Check:
        nonlocal asked
        asked += 1
        await asyncio.sleep(0)
        return Check(ok=True)

    health = _health()
    health.add("database", check)

    async with asyncio.TaskGroup() as group:
        for _ in range(50):
            group.create_task(health.readiness())

    assert asked == 1


async def test_an_answer_is_asked_for_again_when_it_is_old():
    clock = FixedClock()
    health = Health(service="t", clock=clock)
    answers = iter([True, False])

    async def check() -> Check:
        return Check(ok=next(answers))

    health.add("database", check)

    first = await health.readiness()
    clock.advance(1)
    second = await health.readiness()

    assert (first.ready, second.ready) == (True, False)


async def test_a_stopping_service_is_alive_but_not_ready():
    health = _health()
    health.begin_stop()

    ready, alive = await _get(health, "/readyz"), await _get(health, "/healthz")

    assert (ready.status_code, ready.json()["status"]) == (503, "stopping")
    assert alive.status_code == 200


async def test_a_failed_process_asks_to_be_restarted():
    health = _health()
    health.fail("loop:relay")

    answer = await _get(health, "/healthz")

    assert answer.status_code == 503
    assert answer.json()["reason"] == "loop:relay"


async def test_the_metrics_page_is_prometheus_text():
    answer = await _get(_health(), "/metrics")

    assert answer.headers["content-type"].startswith("text/plain")
    assert "# HELP http_requests_total" in answer.text
