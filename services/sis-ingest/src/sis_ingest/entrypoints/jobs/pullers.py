"""Background work of one pulled source: pulls when it is time, and reads what its webhooks name.

Each source has loops of its own, so that one that is away or slow delays only itself.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Final

import structlog
from pydantic import JsonValue

from roster_common.errors import Retriable
from roster_common.ports import Clock
from roster_common.runtime.bell import Ear
from roster_common.runtime.health import Check
from roster_common.runtime.lifecycle import Stopping, go_on_without
from roster_common.runtime.metrics import metric
from roster_common.runtime.pacing import CallPolicy, backoff_s
from sis_ingest.domain.deliveries import DeliveryEnd
from sis_ingest.domain.pulls import Pull, Standing
from sis_ingest.ports.pull_stores import PullDesk
from sis_ingest.ports.pulls import Pulling, SourceAway
from sis_ingest.ports.sources import HintReader, Source
from sis_ingest.usecases.ask_pull import AskPull
from sis_ingest.usecases.pull_source import PullSource
from sis_ingest.usecases.reread import Reread

logger = structlog.get_logger(__name__)

# A pull that is asked for rings; between, what is due by schedule may be found so late.
_LOOK_EVERY_S: Final = 5.0
_SHORTEST_LOOK_S: Final = 1.0
_HINTS_EVERY_S: Final = 0.5
# How long a source rests between failures, at most.
_REST: Final = CallPolicy(backoff_first_s=1.0, backoff_max_s=300.0)
_LONGEST_WAIT_S: Final = 3_600.0


class SourcePuller:
    """The loop that pulls one source."""

    def __init__(
        self,
        source: Source,
        pulling: Pulling,
        *,
        ask: AskPull,
        pull: PullSource,
        desk: PullDesk,
        ear: Ear,
        clock: Clock,
    ) -> None:
        self._source = source
        self._pulling = pulling
        self._clock = clock
        self._ask = ask
        self._pull = pull
        self._desk = desk
        self._ear = ear

    async def run(self, stopping: Stopping) -> None:
        """Pull until stopped; a pull cut off is taken up again at the next start."""
        # The schedule finds a failed pull still due: not again at once, unless somebody asks.
        rests_until_s = self._clock.monotonic()
        while not stopping.is_set():
            pull = await self._desk.open(self._source.place)
            if pull is None and self._clock.monotonic() >= rests_until_s:
                pull = await self._ask.scheduled(self._source, self._pulling.schedule)
            if pull is None:
                await self._ear.wait(self._look_every_s())
                continue
            try:
                ended = await self._pull(self._pulling, pull)
            except SourceAway as away:
                await _rest(stopping, self._source, away, failures=pull.failures + 1)
            except Exception as error:  # noqa: BLE001 - counted and logged; others go on
                await _rest_after(stopping, self._source, error)
            else:
                self._note(ended)
                if ended.state == "failed":
                    rests_until_s = self._clock.monotonic() + _REST.backoff_max_s

    def _look_every_s(self) -> float:
        every = self._pulling.schedule.delta_every
        often = _LOOK_EVERY_S if every is None else every.total_seconds()
        return min(max(often, _SHORTEST_LOOK_S), _LOOK_EVERY_S)

    def _note(self, ended: Pull) -> None:
        source = self._source.place.source_id
        metric("pulls_total").labels(source=source, mode=ended.mode, outcome=ended.state).inc()
        if ended.state == "failed":
            logger.warning("pull_failed", source=source, pull=ended.pull_id, reason=ended.reason)


class HintFollower:
    """The loop behind the webhook door of one source that only hints."""

    def __init__(
        self, source: Source, reader: HintReader, pulling: Pulling, *, reread: Reread, ear: Ear
    ) -> None:
        self._source = source
        self._reader = reader
        self._pulling = pulling
        self._reread = reread
        self._ear = ear

    async def run(self, stopping: Stopping) -> None:
        """Follow hints until stopped."""
        failures = 0
        while not stopping.is_set():
            try:
                batch = await self._reread(self._source, self._reader, self._pulling)
            except SourceAway as away:
                failures += 1
                await _rest(stopping, self._source, away, failures=failures)
                continue
            except Exception as error:  # noqa: BLE001 - counted and logged; others go on
                await _rest_after(stopping, self._source, error)
                continue
            failures = 0
            _note_refused(self._source, batch.ends)
            if not batch.more:
                await self._ear.wait(_HINTS_EVERY_S)


def _note_refused(source: Source, ends: Sequence[DeliveryEnd]) -> None:
    """Says aloud what nobody will read any more: its change comes with the next full pull."""
    for end in ends:
        if end.state == "refused":
            logger.error("hint_refused", source=source.place.source_id, reason=end.outcome)


async def _rest(stopping: Stopping, source: Source, away: SourceAway, *, failures: int) -> None:
    """Waits as long as the source asked, else ever longer; another call meets the same fault."""
    logger.warning("source_away", source=source.place.source_id, reason=away.reason)
    wait_s = min(away.retry_after_s or 0.0, _LONGEST_WAIT_S)
    # The middle of the range: one process rests here, so nobody needs to be kept apart.
    await stopping.wait(max(wait_s, backoff_s(_REST, failures=failures, chance=0.5)))


async def _rest_after(stopping: Stopping, source: Source, error: Exception) -> None:
    """What nobody foresaw in one source stops no other. A store that is away is the road's."""
    if isinstance(error, Retriable | OSError):
        raise error
    go_on_without("pulls", error, source=source.place.source_id)
    await stopping.wait(_REST.backoff_max_s)


def pulls_check(
    standings: Mapping[str, Standing], now: datetime, breaker_open: Callable[[str], bool]
) -> Check:
    """All pulled sources, for readiness: moments, counts and codes."""
    return Check(
        ok=all(one.well for one in standings.values()),
        detail={
            "sources": {
                source: _page(one, now, breaker_open=breaker_open(source))
                for source, one in standings.items()
            }
        },
    )


def _page(standing: Standing, now: datetime, *, breaker_open: bool) -> dict[str, JsonValue]:
    good_at = standing.good_at
    return {
        "lastGood": None if good_at is None else good_at.isoformat(),
        "lastGoodSecondsAgo": None if good_at is None else round((now - good_at).total_seconds()),
        "state": standing.state,
        "failures": standing.failures,
        "reason": standing.reason,
        "breakerOpen": breaker_open,
    }
