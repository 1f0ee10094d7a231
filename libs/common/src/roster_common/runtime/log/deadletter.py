"""Events set aside: where each stood and why, never what it said (blueprint, invariant 11)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import cast, get_args

import asyncpg

from roster_common.contracts import registry
from roster_common.contracts.deadletter_recorded_v1 import DeadLetterRecorded
from roster_common.contracts.envelope import Event, Origin, new_event
from roster_common.ports import Record

UNKNOWN = "unknown"
# A poison message may carry anything in its headers too: only what looks like an id is repeated.
_SAFE = re.compile(r"[A-Za-z0-9._:-]{1,128}")


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """One event that cannot be consumed. `reason` is a code, `field` a path, never a value."""

    record: Record
    reason: str
    field: str | None
    attempts: int


def dead_letter_event(
    letter: DeadLetter, *, group: str, service: str, event_id: str, now: datetime
) -> Event:
    """The event for the service's dead-letter topic; its cause is the event set aside."""
    record = letter.record
    headers = record.headers
    return new_event(
        DeadLetterRecorded(
            group=group,
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            sequence=record.sequence,
            event_id=_known(headers, "ce_id"),
            event_type=_known(headers, "ce_type"),
            reason=letter.reason,
            field=letter.field,
            attempts=letter.attempts,
        ),
        event_id=event_id,
        time=now,
        service=service,
        district_id=_known(headers, "ce_tenantid") or UNKNOWN,
        correlation_id=_known(headers, "ce_correlationid") or event_id,
        causation_id=_known(headers, "ce_id"),
        origin=_origin(headers),
    )


def _known(headers: Mapping[str, str], name: str) -> str | None:
    value = headers.get(name)
    return value if value is not None and _SAFE.fullmatch(value) else None


def _origin(headers: Mapping[str, str]) -> Origin:
    found = headers.get("ce_origin")
    return cast("Origin", found) if found in get_args(Origin) else "schedule"


async def recent_dead_letters(driver: asyncpg.Connection, *, service: str, since: datetime) -> int:
    """How many events the service set aside since then. Read from the log, so that a restart
    does not forget them.
    """
    count = await driver.fetchval(
        "SELECT count(*) FROM log.event"
        " WHERE cleanup = 'delete' AND topic = $1 AND appended_at > $2",
        registry.dead_letter_topic(service),
        since,
    )
    return int(count)
