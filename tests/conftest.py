"""What every test may ask for. The fixtures and the end of the run live in `tests/support/`."""

pytest_plugins = [
    "tests.support.used_parts",
    "tests.support.run_end",
    "tests.support.postgres_fixtures",
    "tests.support.kafka_fixtures",
]
