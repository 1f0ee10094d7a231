"""No student and no secret reaches a log line, from our code, from libraries or from exceptions."""

import io
import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import structlog
from pydantic import BaseModel, ValidationError

from roster_common.errors import Invalid, Retriable
from roster_common.runtime.logging import bind, bound, clear, configure_logging, get_logger

CANARIES = ("Zacharias", "zach@school.example", "2011-02-03", "hunter2")

log = get_logger(__name__)


@pytest.fixture(params=["json", "console"])
def out(request: pytest.FixtureRequest) -> Iterator[io.StringIO]:
    before = structlog.get_config()
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    configure_logging(service="test-service", style=request.param, stream=stream)
    yield stream
    clear()
    structlog.configure(**before)
    root.handlers = handlers
    root.setLevel(level)


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    before = structlog.get_config()
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    configure_logging(service="test-service", stream=stream)
    yield stream
    clear()
    structlog.configure(**before)
    root.handlers = handlers
    root.setLevel(level)


def _read(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def _without_canaries(stream: io.StringIO) -> str:
    text = stream.getvalue()
    assert text
    assert [canary for canary in CANARIES if canary in text] == []
    return text


class Person(BaseModel):
    age: int


@dataclass
class Pupil:
    family: str


def test_a_line_is_one_json_object_with_event_level_service_and_time(lines):
    log.info("delivery_accepted", source="demo-sis", bytes=12)

    (line,) = _read(lines)

    assert line["event"] == "delivery_accepted"
    assert (line["level"], line["service"], line["source"], line["bytes"]) == (
        "info",
        "test-service",
        "demo-sis",
        12,
    )
    assert str(line["timestamp"]).endswith("Z")


def test_bound_ids_stand_on_every_line_until_cleared(lines):
    bind(district="demo")
    with bound(delivery="d-1"):
        log.info("one")
    log.info("two")
    clear()
    log.info("three")

    one, two, three = _read(lines)

    assert (one["district"], one["delivery"]) == ("demo", "d-1")
    assert two["district"] == "demo"
    assert "delivery" not in two
    assert "district" not in three


def test_private_fields_are_dropped_by_name_in_any_spelling(out):
    log.info(
        "slip",
        givenName="Zacharias",
        family_name="Zacharias",
        EMAIL="zach@school.example",
        **{"birth-date": "2011-02-03", "parent_email": "zach@school.example"},
        client_secret="hunter2",
        payload=b"Zacharias",
    )

    assert "slip" in _without_canaries(out)


def test_private_fields_are_dropped_inside_other_values(out):
    log.info("slip", item={"a": [{"username": "Zacharias"}]}, pupil=Pupil("Zacharias"))

    _without_canaries(out)


def test_the_text_of_a_foreign_exception_is_never_logged(out):
    try:
        try:
            raise ValueError("DETAIL: Key (email)=(zach@school.example) exists")
        except ValueError as cause:
            raise Retriable("database busy") from cause
    except Retriable:
        log.exception("failed")

    text = _without_canaries(out)
    assert "database busy" in text
    assert "builtins.ValueError" in text


def test_pydantic_input_is_never_logged(out):
    try:
        Person.model_validate({"age": "Zacharias"})
    except ValidationError as error:
        log.error("failed", exc_info=error)

    assert "ValidationError" in _without_canaries(out)


def test_every_member_of_an_exception_group_is_named(lines):
    log.error("failed", exc_info=ExceptionGroup("Zacharias", [KeyError("hunter2"), Invalid("x")]))

    (line,) = _read(lines)

    kinds = [one["type"] for one in line["error_chain"]]
    assert kinds == [
        "builtins.ExceptionGroup",
        "builtins.KeyError",
        "roster_common.errors.Invalid",
    ]
    _without_canaries(lines)


def test_an_exception_as_a_value_is_shown_by_its_class(lines):
    log.error("failed", cause=ValueError("hunter2"))

    (line,) = _read(lines)

    assert line["cause"] == "ValueError"


def test_an_error_names_our_place_in_the_code(lines):
    try:
        int("Zacharias")
    except ValueError as error:
        log.error("failed", exc_info=error)

    (line,) = _read(lines)

    assert "test_an_error_names_our_place_in_the_code" in line["error_chain"][0]["at"][0]


def test_a_library_is_shown_by_its_unfilled_template(out):
    library = logging.getLogger("some.library")

    library.error("no account for %s", "zach@school.example")
    library.error("Task exception was never retrieved\nfuture: Zacharias")
    try:
        raise ValueError("Zacharias")
    except ValueError:
        library.exception("broken")

    text = _without_canaries(out)
    assert "no account for %s" in text
    assert "Task exception was never retrieved" in text


def test_uvicorn_speaks_in_the_same_form_and_its_access_log_is_off(lines):
    logging.getLogger("uvicorn.error").info("Uvicorn running on %s", "http://127.0.0.1:1")
    logging.getLogger("uvicorn.access").info("GET /users?filter=Zacharias")

    (line,) = _read(lines)

    assert line["event"] == "Uvicorn running on http://127.0.0.1:1"
    assert line["service"] == "test-service"


def test_lines_below_the_level_are_not_written(lines):
    log.debug("quiet")

    assert lines.getvalue() == ""
