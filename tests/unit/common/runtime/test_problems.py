"""Answers to errors have a stable code and never repeat the input."""

from typing import Annotated

import httpx2
import pytest
from fastapi import Body, FastAPI, HTTPException
from pydantic import BaseModel, field_validator

from roster_common.errors import Retriable
from roster_common.runtime.problems import FieldError, Problem, install_problem_handlers


class Person(BaseModel):
    age: int
    marks: dict[str, int] = {}

    @field_validator("age")
    @classmethod
    def _of_age(cls, value: int) -> int:
        if value < 0:
            raise ValueError(f"{value} is no age")
        return value


def _app() -> FastAPI:
    app = FastAPI()
    install_problem_handlers(app)

    @app.post("/people")
    async def people(person: Person) -> int:
        return person.age

    @app.get("/teapot")
    async def teapot() -> None:
        errors = [FieldError(field="a.b", message="missing", location="body")]
        raise Problem(
            418, "teapot", "A teapot", "Short and stout", errors=errors, headers={"x-a": "1"}
        )

    @app.get("/busy")
    async def busy() -> None:
        raise Retriable("postgresql at 10.0.0.1 is away")

    @app.get("/old")
    async def old() -> None:
        raise HTTPException(403, "Zacharias may not")

    @app.post("/many")
    async def many(items: Annotated[list[int], Body()]) -> int:
        return len(items)

    return app


async def _call(method: str, path: str, **parts: object) -> httpx2.Response:
    transport = httpx2.ASGITransport(app=_app())
    async with httpx2.AsyncClient(transport=transport, base_url="http://t") as client:
        return await client.request(method, path, **parts)


async def test_a_problem_is_rendered_whole():
    answer = await _call("GET", "/teapot")

    assert answer.status_code == 418
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["x-a"] == "1"
    assert answer.json() == {
        "type": "/problems/teapot",
        "title": "A teapot",
        "status": 418,
        "code": "teapot",
        "detail": "Short and stout",
        "errors": [{"field": "a.b", "message": "missing", "location": "body"}],
    }


@pytest.mark.parametrize(
    ("body", "field", "message"),
    [
        ({"age": "Zacharias"}, "age", "int_parsing"),
        ({"age": -77001}, "age", "value_error"),
        ({}, "age", "missing"),
        ({"age": 1, "marks": {"zach@school.example": "x"}}, "marks.*", "int_parsing"),
    ],
)
async def test_a_fault_of_the_input_is_told_by_field_and_code_only(body, field, message):
    answer = await _call("POST", "/people", json=body)

    assert answer.status_code == 422
    assert answer.json()["code"] == "invalid_request"
    assert answer.json()["errors"] == [{"field": field, "message": message, "location": "body"}]
    assert not any(canary in answer.text for canary in ("Zacharias", "77001", "zach@"))


async def test_a_body_that_is_no_json_is_not_repeated():
    answer = await _call(
        "POST",
        "/people",
        content=b'{"age": Zacharias',
        headers={"content-type": "application/json"},
    )

    assert answer.json()["errors"][0]["message"] == "json_invalid"
    assert "Zacharias" not in answer.text


async def test_a_thousand_faults_give_a_bounded_answer():
    answer = await _call("POST", "/many", json=["x"] * 1_000)

    assert len(answer.json()["errors"]) == 100


async def test_what_can_be_tried_again_is_a_503_without_inner_text():
    answer = await _call("GET", "/busy")

    assert (answer.status_code, answer.json()["code"]) == (503, "try_again")
    assert answer.headers["retry-after"] == "2"
    assert "10.0.0.1" not in answer.text


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nowhere", 404, "not_found"),
        ("PUT", "/people", 405, "method_not_allowed"),
        ("GET", "/old", 403, "forbidden"),
    ],
)
async def test_the_frameworks_errors_are_problems_too(method, path, status, code):
    answer = await _call(method, path)

    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"
    assert "Zacharias" not in answer.text
