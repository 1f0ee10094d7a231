"""What every test may ask for. The fixtures and the end of the run live in `tests/support/`."""

from collections.abc import Iterator

import pytest
import structlog
from hypothesis import settings

pytest_plugins = [
    "tests.support.used_parts",
    "tests.support.run_end",
    "tests.support.postgres_fixtures",
    "tests.support.kafka_fixtures",
]

# An example takes as long as a busy machine takes: no deadline anywhere, as in CI.
settings.register_profile("unhurried", parent=settings(), deadline=None)
settings.load_profile("unhurried")


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    """Commands run in this process set up logging to a stream that ends with their test."""
    before = structlog.get_config()
    yield
    structlog.configure(**before)
