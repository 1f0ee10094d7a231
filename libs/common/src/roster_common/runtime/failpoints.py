"""Named places where a test may kill the process, to prove that a crash there loses nothing.

Reads the environment itself (the one exception to "only settings.py does"), once, at import:
`HOMEROOM_FAILPOINT=name` kills at the first pass, `name@3` at the third. With
`HOMEROOM_FAILPOINT_FILE` the file is made just before, so that a test can prove the point was hit.
Production settings refuse to start with a fail point set.
"""

import os
import signal
from dataclasses import dataclass
from pathlib import Path

from roster_common.errors import Fatal

FAILPOINTS = frozenset(
    {
        # libs/common: the event log
        "log.append.before_commit",
        "log.append.after_commit",
        "log.relay.before_send",
        "log.relay.after_send",
        "log.relay.after_mark",
        "log.consume.after_effect",
        "log.consume.before_commit",
        "log.consume.after_commit",
        "log.deadletter.before_commit",
        "log.retention.before_drop",
        "lifecycle.stop.started",
        # sis-ingest
        "ingest.accept.before_commit",
        "ingest.accept.after_commit",
        "ingest.apply.before_commit",
        "ingest.apply.after_commit",
        "ingest.snapshot.file_synced",
        "ingest.snapshot.recorded",
        "ingest.snapshot.linked",
        "ingest.snapshot.after_batch",
        "ingest.pull.page_synced",
        "ingest.pull.after_page",
        "ingest.pull.restart_saved",
        "ingest.pull.after_hand_over",
        "ingest.release.before_commit",
        "ingest.release.after_batch",
        "ingest.flip.before_commit",
        "ingest.flip.after_batch",
        "ingest.purge.before_commit",
        "ingest.replay.after_batch",
        # roster-publisher
        "publisher.apply.before_commit",
        "publisher.apply.after_commit",
        "publisher.names.before_commit",
        "publisher.names.after_commit",
        "publisher.scopes.before_commit",
        "publisher.scopes.after_commit",
        "publisher.derive.before_commit",
        "publisher.derive.after_commit",
        "publisher.push.before_send",
        "publisher.push.after_send",
        "publisher.push.after_commit",
        "publisher.audit.before_commit",
        # directory-sync
        "directory.consume.before_commit",
        "directory.apply.before_call",
        "directory.apply.after_call",
        "directory.groups.before_call",
        "directory.groups.after_call",
        "directory.decide.before_commit",
        "directory.decide.after_commit",
        "directory.record.before_commit",
        "directory.record.after_commit",
        # ticket-events
        "tickets.consume.before_commit",
        "tickets.import.before_commit",
        "tickets.import.after_commit",
        "tickets.accept.before_commit",
        "tickets.accept.after_commit",
        "tickets.apply.before_commit",
        "tickets.apply.after_commit",
    }
)


@dataclass(slots=True, kw_only=True)
class _Armed:
    name: str
    passes_left: int
    marker: Path | None


def parse(spec: str, marker_path: str | None = None) -> _Armed:
    """Read `name` or `name@N` (N from 1). Raises Fatal for an unknown name or a bad count."""
    name, _, count = spec.partition("@")
    if name not in FAILPOINTS:
        message = "HOMEROOM_FAILPOINT names no known fail point"
        raise Fatal(message)
    if count and not (count.isascii() and count.isdigit() and int(count) > 0):
        message = "HOMEROOM_FAILPOINT takes a count from 1 after the @"
        raise Fatal(message)
    marker = None if marker_path is None else Path(marker_path)
    return _Armed(name=name, passes_left=int(count or 1), marker=marker)


def _armed_by_environment() -> _Armed | None:
    # Not through settings: a point must be able to kill before and without any settings.
    given = os.environ
    spec = given.get("HOMEROOM_FAILPOINT")
    return parse(spec, given.get("HOMEROOM_FAILPOINT_FILE")) if spec else None


_ARMED = _armed_by_environment()


def failpoint(name: str) -> None:
    """Kill this process with SIGKILL if the environment asked for it here; otherwise do nothing.

    Raises Fatal when the code names a point that FAILPOINTS does not hold: a typo would make a
    crash test pass without having crashed.
    """
    if name not in FAILPOINTS:
        message = f"unknown fail point in code: {name}"
        raise Fatal(message)
    if _ARMED is None or _ARMED.name != name:
        return
    _ARMED.passes_left -= 1
    if _ARMED.passes_left == 0:
        if _ARMED.marker is not None:
            _ARMED.marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
