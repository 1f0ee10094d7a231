"""Whatever a call site or a library hands to the logger, no canary comes out."""

import io
import logging
from collections.abc import Iterator

import orjson
import pytest
import structlog

from roster_common.errors import Invalid
from roster_common.runtime.logging import configure_logging, get_logger

CANARY = "Zebulon-Canary"


@pytest.fixture
def output() -> Iterator[io.StringIO]:
    """What is logged in the test; logging is as before afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    stream = io.StringIO()
    configure_logging(service="sis-ingest", stream=stream)
    yield stream
    root.handlers, root.level = handlers, level
    structlog.reset_defaults()


def _lines(output: io.StringIO) -> list[dict[str, object]]:
    return [orjson.loads(line) for line in output.getvalue().splitlines()]


def test_fields_of_a_person_and_secrets_are_dropped_at_any_depth(output: io.StringIO) -> None:
    get_logger("sis_ingest").info(
        "record_stored",
        person_id="p-1",
        given_name=CANARY,
        familyName=CANARY,
        detail={"user": [{"e-mail": "x", "email": CANARY, "client_secret": CANARY}]},
        body=CANARY.encode(),
    )

    assert CANARY not in output.getvalue()
    assert [(line["event"], line["person_id"]) for line in _lines(output)] == [
        ("record_stored", "p-1")
    ]


def test_an_error_of_a_library_is_told_by_class_and_place_only(output: io.StringIO) -> None:
    try:
        try:
            raise ValueError(f"Key (email)=({CANARY}) already exists")
        except ValueError as cause:
            raise Invalid("unknown_school", field="orgs") from cause
    except Invalid:
        get_logger("sis_ingest").error("delivery_failed", exc_info=True)

    assert CANARY not in output.getvalue()
    assert '"type":"builtins.ValueError"' in output.getvalue()


def test_what_a_library_fills_into_its_message_is_taken_out_again(output: io.StringIO) -> None:
    logging.getLogger("some_driver").warning("row %s was refused", CANARY)

    assert [line["event"] for line in _lines(output)] == ["row %s was refused"]
    assert CANARY not in output.getvalue()
