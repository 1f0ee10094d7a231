"""Background work on drops: one loop each, so that one that is down delays only itself."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from pydantic import JsonValue

from roster_common.ports import Clock
from roster_common.runtime.health import Check
from roster_common.runtime.lifecycle import Stopping, go_on_without
from roster_common.runtime.logging import get_logger
from roster_common.runtime.metrics import metric
from roster_common.runtime.pacing import CallPolicy, backoff_s
from sis_ingest.domain.drops import DropRules, Listed
from sis_ingest.ports.drops import Drop, DropFailed, DropFault
from sis_ingest.ports.sources import Source
from sis_ingest.usecases.collect_drop import CollectDrop, Look

LOOP: Final = "collect-drops"
_REST_MAX_S: Final = 900.0
logger = get_logger(__name__)


@dataclass(slots=True, kw_only=True)
class DropWatcher:
    """The loop behind one drop: looks every `every_s`, and less often while it fails."""

    collect: CollectDrop
    source: Source
    drop: Drop
    rules: DropRules
    every_s: float
    clock: Clock
    _seen: Mapping[str, Listed] = field(default_factory=dict, init=False)
    _failures: int = field(default=0, init=False)
    _fault: DropFault | None = field(default=None, init=False)
    _waiting: int = field(default=0, init=False)
    _looked_at: datetime | None = field(default=None, init=False)
    _took_at: datetime | None = field(default=None, init=False)

    async def run(self, stopping: Stopping) -> None:
        """Look until stopped."""
        while not stopping.is_set():
            try:
                self._found(await self.collect(self.source, self.drop, self.rules, self._seen))
            except DropFailed as error:
                self._failed(error.code)
            except Exception as error:  # noqa: BLE001 - counted and logged; it is tried again
                go_on_without(LOOP, error, source=self.source.place.source_id)
                self._failed("failed")
            await stopping.wait(self._rest_s())

    def page(self) -> Mapping[str, JsonValue]:
        """For readiness: codes, counts and moments, never the name of a file."""
        return {
            "fault": self._fault,
            "failures": self._failures,
            "waiting": self._waiting,
            "lookedAt": None if self._looked_at is None else self._looked_at.isoformat(),
            "tookAt": None if self._took_at is None else self._took_at.isoformat(),
        }

    @property
    def source_id(self) -> str:
        """Whose drop it is."""
        return self.source.place.source_id

    @property
    def well(self) -> bool:
        """Whether the last look had nothing to complain of."""
        return self._fault is None

    def _found(self, look: Look) -> None:
        self._seen, self._waiting, self._failures = look.seen, look.waiting, 0
        self._looked_at = self.clock.now()
        if look.taken:
            self._took_at = self._looked_at
            metric("drop_files_taken_total").labels(source=self.source_id).inc(look.taken)
        self._tell(look.fault)

    def _failed(self, fault: DropFault) -> None:
        self._failures += 1
        self._tell(fault)

    def _tell(self, fault: DropFault | None) -> None:
        metric("drop_looks_total").labels(source=self.source_id, outcome=fault or "ok").inc()
        if fault != self._fault:
            logger.warning("drop_changed", source=self.source_id, fault=fault)
        self._fault = fault

    def _rest_s(self) -> float:
        if not self._failures:
            return self.every_s
        policy = CallPolicy(
            backoff_first_s=self.every_s * 2, backoff_max_s=max(self.every_s * 2, _REST_MAX_S)
        )
        return backoff_s(policy, failures=self._failures, chance=random.random())  # noqa: S311


def drops_check(watchers: Sequence[DropWatcher]) -> Check:
    """All drops, for readiness."""
    return Check(
        ok=all(watcher.well for watcher in watchers),
        detail={"sources": {watcher.source_id: dict(watcher.page()) for watcher in watchers}},
    )
