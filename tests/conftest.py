"""What every test may ask for. The fixtures and the end of the run live in `tests/support/`."""

from collections.abc import Iterator

import pytest
import structlog
from hypothesis import HealthCheck, settings

pytest_plugins = [
    "tests.support.used_parts",
    "tests.support.run_end",
    "tests.support.postgres_fixtures",
    "tests.support.kafka_fixtures",
]

# An example takes as long as a busy machine takes, and every run tries the same examples, in CI and
# out of it: no run is refused by chance. To look for new ones: --hypothesis-profile explore.
UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("explore", parent=UNHURRIED, derandomize=False)
settings.register_profile("unhurried", parent=UNHURRIED, derandomize=True, database=None)
settings.load_profile("unhurried")


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    """Commands run in this process set up logging to a stream that ends with their test."""
    before = structlog.get_config()
    yield
    structlog.configure(**before)
