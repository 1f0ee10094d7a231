"""A problem document says what was wrong and where, and repeats nothing of what was sent."""

from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from pydantic import BaseModel

from roster_common.runtime.problems import MEDIA_TYPE, install_problem_handlers

CANARY = "Zebulon-Canary"


class Person(BaseModel):
    """What the page of these tests takes."""

    age: int
    homes: dict[str, int] = {}


@pytest.fixture
def client() -> httpx2.AsyncClient:
    app = FastAPI()
    install_problem_handlers(app)

    @app.post("/people")
    async def add(person: Person) -> None:
        """Take a person."""

    transport = httpx2.ASGITransport(app=app)
    return httpx2.AsyncClient(transport=transport, base_url="http://test")


@pytest.mark.parametrize(
    ("body", "errors"),
    [
        (
            {"age": CANARY},
            [{"field": "age", "message": "int_parsing", "location": "body"}],
        ),
        (
            {"age": 7, "homes": {f"{CANARY} street": "x"}},
            [{"field": "homes.*", "message": "int_parsing", "location": "body"}],
        ),
    ],
)
async def test_a_refused_request_is_answered_without_its_values(
    client: httpx2.AsyncClient, body: dict[str, Any], errors: list[dict[str, str]]
) -> None:
    async with client:
        answer = await client.post("/people", json=body)

    assert answer.status_code == 422
    assert answer.headers["content-type"] == MEDIA_TYPE
    assert answer.json()["errors"] == errors
    assert CANARY not in answer.text
