"""Publishing transactions that commit when a test says so, and a small district to write to."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from roster_common.runtime.database import Database
from roster_publisher.adapters.postgres.roster_unit import PostgresRosterUnit
from roster_publisher.usecases.apply_changes import ApplyChanges
from tests.support.oneroster_records import (
    class_,
    demographics,
    enrollment,
    org,
    role,
    school_world,
    user,
)
from tests.support.publishing import Publishing

_AT_ONCE = 4
# A writer waits for as long as a test holds the lock, which is work for the server, too.
PATIENT = {"lock_timeout_s": 300.0, "statement_timeout_s": 300.0}

PATHS = ("users", "enrollments", "demographics", "classes", "courses")
GRANTS: tuple[tuple[str, ...] | None, ...] = (None, ("s1",), ("s1", "s2"))
WORLD: list[tuple[str, Any]] = [
    *school_world(users=3),
    ("org", org("s2")),
    ("class", class_("k2", school="s2")),
    *(("enrollment", enrollment(f"e{n}", user=f"u00{n}")) for n in range(3)),
    ("demographics", demographics("u000")),
]
SCHOOL = st.sampled_from(["s1", "s2"])
FACT = st.one_of(
    st.builds(
        lambda n, school, name: ("user", user(f"u00{n}", role(school), givenName=name)),
        st.integers(0, 3),
        SCHOOL,
        st.sampled_from(["Ada", "Bob"]),
    ),
    st.builds(lambda n: ("user", f"u00{n}"), st.integers(0, 3)),
    st.builds(lambda school: ("class", class_("k1", school=school)), SCHOOL),
    st.builds(
        lambda n, k: (
            "enrollment",
            enrollment(f"e{n}", user=f"u00{n}", class_id=k[0], school=k[1]),
        ),
        st.integers(0, 2),
        st.sampled_from([("k1", "s1"), ("k2", "s2")]),
    ),
)


@dataclass(eq=False)
class Writer:
    """A publishing transaction that commits when it is told."""

    fact: tuple[Any, Any]
    how: dict[str, Any]
    go: asyncio.Event = field(default_factory=asyncio.Event)


class Writers:
    """Transactions on one district, up to four at a time; each but one waits for the lock."""

    def __init__(self, publishing: Publishing, database: Database, district: str) -> None:
        self._publishing = publishing
        self._database = database
        self._district = district
        self._tasks: dict[Writer, asyncio.Task[None]] = {}
        self._applied: asyncio.Queue[Writer] = asyncio.Queue()

    async def begin(self, fact: tuple[Any, Any], **how: Any) -> None:
        """Start to publish `fact`."""
        if len(self._tasks) == _AT_ONCE:
            await self.commit()
        writer = Writer(fact, how)
        self._tasks[writer] = asyncio.create_task(self._write(writer))

    async def commit(self) -> None:
        """Commit the one that holds the lock: the database says which it is."""
        if self._tasks:
            writer = await self._applied.get()
            writer.go.set()
            await self._tasks.pop(writer)

    async def finish(self) -> None:
        """Commit all."""
        while self._tasks:
            await self.commit()

    async def _write(self, writer: Writer) -> None:
        async with self._database.begin() as tx:
            unit = PostgresRosterUnit(await tx.driver())
            change = self._publishing.change(*writer.fact, **writer.how)
            await ApplyChanges(self._publishing.clock)(unit, self._district, [change])
            self._applied.put_nowait(writer)
            await writer.go.wait()
