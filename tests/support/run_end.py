"""Pytest plugin: the last line is `N passed, N failed, N skipped`; in CI nothing may be skipped.

With `CI=true` a skipped test, or a full run in which no Kafka broker named its version, turns the
exit code into 1: a green run must have tried everything.
"""

import os
from collections.abc import Generator

import pytest

from tests.support.used_parts import used

KAFKA = "Kafka"
WRONG = pytest.StashKey[list[str]]()


def in_ci() -> bool:
    """Whether the run is one that may skip nothing."""
    return os.environ.get("CI", "").lower() in {"1", "true"}


def complaints(*, skipped: int, whole_run: bool, kafka_named_itself: bool) -> list[str]:
    """What makes a CI run fail although no test did."""
    found = []
    if skipped:
        found.append(f"CI: {skipped} skipped, and a CI run may skip nothing")
    if whole_run and not kafka_named_itself:
        found.append("CI: no Kafka broker named its version in this run")
    return found


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Judges the run before pytest returns its exit code."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if not in_ci() or reporter is None or session.config.option.collectonly:
        return
    found = complaints(
        skipped=len(reporter.stats.get("skipped", [])),
        whole_run=_whole_run(session.config),
        kafka_named_itself=KAFKA in used(session.config),
    )
    session.config.stash[WRONG] = found
    if found and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.hookimpl(hookwrapper=True)
def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> Generator[None, None, None]:
    """Prints after every other summary."""
    yield
    for line in config.stash.get(WRONG, []):
        terminalreporter.write_line(line, red=True)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """Prints the counts alone on the very last line, after pytest's own."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None or config.option.collectonly:
        return
    count = {kind: len(reports) for kind, reports in reporter.stats.items()}
    failed = count.get("failed", 0) + count.get("error", 0)
    passed = count.get("passed", 0) + count.get("xfailed", 0)
    reporter.write_line(f"{passed} passed, {failed} failed, {count.get('skipped', 0)} skipped")


def _whole_run(config: pytest.Config) -> bool:
    """Whether everything was asked for: no path, keyword or marker narrowed the run."""
    narrowed = config.option.keyword or config.option.markexpr or config.getoption("lf", False)
    return not narrowed and config.args == config.getini("testpaths")
