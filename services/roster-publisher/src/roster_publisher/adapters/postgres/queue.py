"""`DirtyQueue`: marks whole groups, and rings for the deriver in this process.

Each call is one transaction. Statements are sets and may run twice.
"""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Final

from roster_common.runtime.bell import Bell
from roster_common.runtime.database import Database

_KEEP: Final = """
    ON CONFLICT (district_id, {column}) DO UPDATE SET force = true
"""

# Everybody, to be emitted again. A row per person of the district; the deriver takes them slowly.
_ALL_PEOPLE: Final = f"""
    INSERT INTO roster_publisher.dirty_person AS d
        (district_id, person_id, correlation_id, origin, force, bulk, ready_at)
    SELECT district_id, person_id, $2, 'republish', true, true, $3
    FROM roster_publisher.person_state WHERE district_id = $1 ORDER BY person_id
    {_KEEP.format(column="person_id")}
"""

_ALL_CLASSES: Final = f"""
    INSERT INTO roster_publisher.dirty_class AS d
        (district_id, class_id, correlation_id, origin, force, bulk, ready_at)
    SELECT district_id, class_id, $2, 'republish', true, true, $3
    FROM roster_publisher.class_state WHERE district_id = $1 ORDER BY class_id
    {_KEEP.format(column="class_id")}
"""

# Whose settle time is over, in every district; index on left_due_at.
_LEFT_DUE: Final = """
    INSERT INTO roster_publisher.dirty_person
        (district_id, person_id, correlation_id, causation_id, origin, bulk, ready_at)
    SELECT district_id, person_id, coalesce(left_correlation_id, $2), left_causation_id,
           coalesce(left_origin, 'schedule'), false, $1
    FROM roster_publisher.person_state WHERE left_due_at <= $1 ORDER BY district_id, person_id
    ON CONFLICT DO NOTHING
"""

# For whom something begins or ends; index on next_date.
_DATES_DUE: Final = """
    INSERT INTO roster_publisher.dirty_person
        (district_id, person_id, correlation_id, origin, bulk, ready_at)
    SELECT district_id, person_id, $3, 'schedule', true, $4
    FROM roster_publisher.person_state
    WHERE district_id = $1 AND next_date <= $2 ORDER BY person_id
    ON CONFLICT DO NOTHING
"""


class PostgresDirtyQueue:
    """Marks in the database; `bell` rings whenever this process knows of new marks."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.bell = Bell()

    async def mark_all(self, district_id: str, *, correlation_id: str, now: datetime) -> int:
        """Mark every person and class of the district; returns how many."""
        async with self._database.begin() as tx:
            driver = await tx.driver()
            people = await driver.execute(_ALL_PEOPLE, district_id, correlation_id, now)
            classes = await driver.execute(_ALL_CLASSES, district_id, correlation_id, now)
        self.ring()
        return rows_in(people) + rows_in(classes)

    async def mark_left_due(self, *, now: datetime, correlation_id: str) -> int:
        """Mark people whose settle time is over."""
        async with self._database.begin() as tx:
            marked = await (await tx.driver()).execute(_LEFT_DUE, now, correlation_id)
        return self._rung(marked)

    async def mark_dates_due(
        self, district_id: str, *, today: date, now: datetime, correlation_id: str
    ) -> int:
        """Mark people for whom a role or enrolment begins or ends by `today`."""
        async with self._database.begin() as tx:
            marked = await (await tx.driver()).execute(
                _DATES_DUE, district_id, today, correlation_id, now
            )
        return self._rung(marked)

    async def districts(self) -> Sequence[str]:
        """Every district that has published something."""
        async with self._database.begin() as tx:
            rows = await (await tx.driver()).fetch(
                "SELECT district_id FROM roster_publisher.district_revision ORDER BY district_id"
            )
        return [row[0] for row in rows]

    def ring(self) -> None:
        """Tell the deriver that there may be work."""
        self.bell.ring()

    def _rung(self, status: str) -> int:
        marked = rows_in(status)
        if marked:
            self.ring()
        return marked


def rows_in(status: str) -> int:
    """Rows of a driver's status such as `INSERT 0 5`."""
    return int(status.rpartition(" ")[2])
