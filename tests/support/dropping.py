"""One source with a drop on a real database: each look is taken by hand, so nothing waits."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from roster_common.runtime.clock import Uuid7Ids
from roster_common.runtime.database import Database
from roster_common.runtime.sealing import Seal
from roster_common.testkit.clock import FixedClock
from sis_ingest.adapters.drops.packing import pack
from sis_ingest.adapters.files import DiskSnapshotFiles
from sis_ingest.adapters.postgres.units import PostgresUnits
from sis_ingest.domain.deliveries import Place
from sis_ingest.domain.drops import DropRules, Listed
from sis_ingest.ports.drops import Drop
from sis_ingest.ports.sources import Source
from sis_ingest.usecases.accept_snapshot import AcceptSnapshot
from sis_ingest.usecases.collect_drop import CollectDrop, Look

LIMIT_BYTES = 1_000_000
START = datetime(2026, 9, 1, 8, tzinfo=UTC)


def _no_event(event: Any) -> Any:
    raise AssertionError(f"taking a file tells nothing, but {event!r}")


@dataclass(slots=True, kw_only=True)
class Dropping:
    """Looks at a drop and sees what was made of it."""

    database: Database
    raw: Path
    rules: DropRules = field(default_factory=lambda: DropRules(pattern="*.zip"))
    clock: FixedClock = field(default_factory=lambda: FixedClock(START))
    seen: Mapping[str, Listed] = field(default_factory=dict)
    pokes: int = 0

    async def look(self, drop: Drop) -> Look:
        """One look, which knows what the one before saw."""
        look = await self.collect(SOURCE, drop, self.rules, self.seen)
        self.seen = look.seen
        return look

    async def looks(self, drop: Drop) -> list[int]:
        """Two looks, after which everything still is finished: how many each took."""
        return [(await self.look(drop)).taken for _ in range(2)]

    @property
    def collect(self) -> CollectDrop:
        """The use case, on real parts."""
        units = PostgresUnits(self.database, _no_event, Seal([bytes(32)]))
        ids = Uuid7Ids()
        accept = AcceptSnapshot(
            units=units,
            files=DiskSnapshotFiles(self.raw),
            clock=self.clock,
            ids=ids,
            limit_bytes=LIMIT_BYTES,
            poke=self._poke,
        )
        return CollectDrop(units=units, accept=accept, pack=pack, clock=self.clock, ids=ids)

    async def runs(self) -> list[dict[str, Any]]:
        """Runs in the order they came."""
        rows = await (await self.database.pool()).fetch(
            "SELECT run_id, file_name, as_of, sha256, correlation_id FROM sis_ingest.run"
            " WHERE district_id = 'd1' ORDER BY run_id"
        )
        return [dict(row) for row in rows]

    async def bodies(self) -> list[bytes]:
        """Raw files of the runs, in the same order."""
        return [(self.raw / f"{run['file_name']}.raw").read_bytes() for run in await self.runs()]

    def _poke(self) -> None:
        self.pokes += 1


SOURCE = Source(
    place=Place(district_id="d1", source_id="s1"),
    kind="generic",
    secrets=(),
    webhook=None,
    snapshot=None,
    supplement=False,
)


def leave(folder: Path, name: str, body: bytes, *, minutes_ago: int = 10) -> Path:
    """A file as a district leaves it, written some minutes before START."""
    path = folder / name
    path.write_bytes(body)
    at = (START - timedelta(minutes=minutes_ago)).timestamp()
    os.utime(path, (at, at))
    return path
