"""Pytest plugin: notes which real parts this run used, and from where, and prints them.

`note_part` is called by the fixtures; `run_end.py` asks whether Kafka named its version.
"""

import pytest

PARTS = pytest.StashKey[dict[str, str]]()


def note_part(config: pytest.Config, *, part: str, line: str) -> None:
    """Remembers one line for the end of the run, such as `PostgreSQL 15.18 found on …`."""
    config.stash.setdefault(PARTS, {})[part] = line


def used(config: pytest.Config) -> dict[str, str]:
    """The lines noted so far, by part."""
    return config.stash.setdefault(PARTS, {})


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A worker of a parallel run hands its lines to the run it belongs to."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["used_parts"] = used(session.config)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: object, error: object) -> None:
    """The run takes over what its worker used."""
    for part, line in getattr(node, "workeroutput", {}).get("used_parts", {}).items():
        note_part(node.config, part=part, line=line)  # type: ignore[attr-defined]


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Prints one line per part used."""
    for line in used(config).values():
        terminalreporter.write_line(f"used: {line}")
