"""The three columns of a cause, read back."""

import asyncpg

from ticket_events.domain.cause import Cause


def cause_of(row: asyncpg.Record) -> Cause:
    """What a stored row goes back to."""
    return Cause(
        correlation_id=row["correlation_id"],
        causation_id=row["causation_id"],
        origin=row["origin"],
    )
