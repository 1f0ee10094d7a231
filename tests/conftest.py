"""What every test may ask for. The fixtures and the end of the run live in `tests/support/`."""

from collections.abc import Iterator

import pytest
import structlog

pytest_plugins = [
    "tests.support.used_parts",
    "tests.support.run_end",
    "tests.support.postgres_fixtures",
    "tests.support.kafka_fixtures",
]


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    """Commands run in this process set up logging to a stream that ends with their test."""
    before = structlog.get_config()
    yield
    structlog.configure(**before)
