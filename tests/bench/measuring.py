"""How a figure comes about: interleaved rounds, the warm-up left out, the median kept.

Times decide nothing here but how many rounds fit; a slow machine gets fewer of them.
"""

import asyncio
import statistics
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from time import monotonic, perf_counter

from roster_common.errors import HomeroomError

SAMPLE_TIMEOUT_S = 60.0
STALL_S = 15.0
LOOK_S = 0.02

Figures = Mapping[str, float]
Sample = Callable[[], Awaitable[Figures]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How long to measure. `section_s` ends a section's rounds early; what has not begun or ended
    `total_s` after the start of the run is left out. `students` are those of a large snapshot."""

    quick: bool
    rounds: int
    writing_s: float
    backlog: int
    latency_s: float
    section_s: float
    total_s: float
    students: int


FULL = Plan(
    quick=False,
    rounds=5,
    writing_s=0.8,
    backlog=20_000,
    latency_s=10.0,
    section_s=40,
    total_s=900,
    students=100_000,
)
QUICK = Plan(
    quick=True,
    rounds=1,
    writing_s=0.25,
    backlog=4_000,
    latency_s=3.0,
    section_s=10,
    total_s=120,
    students=2_000,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """What a section measures on. `bootstrap` is None where Kafka cannot be had."""

    plan: Plan
    server_url: str
    bootstrap: str | None

    @property
    def students(self) -> int:
        """How many a large snapshot has."""
        return self.plan.students


@dataclass(frozen=True, slots=True, kw_only=True)
class Lineup:
    """Samples to interleave; `warm_up` stands in for them in the round that is thrown away.

    `rounds`, `within_s` and `sample_timeout_s` are there where a section needs its own.
    """

    samples: Sequence[Sample]
    warm_up: Sequence[Sample] | None = None
    rounds: int | None = None
    within_s: float | None = None
    sample_timeout_s: float = SAMPLE_TIMEOUT_S


class Stalled(HomeroomError):
    """Events that should have come did not, so there is no figure; says how many came."""


async def interleave(
    lineup: Lineup, *, plan: Plan, found: dict[str, list[float]], stalls: list[str]
) -> None:
    """Take every sample once a round, in turn from either end.

    Adds figures by row to `found`, and to `stalls` what kept a sample from giving one; both hold
    what was measured so far when this is cancelled. At least one round is taken; another only if
    it is likely to end in time. Raises `TimeoutError` when a sample takes longer than it may.
    """
    began = perf_counter()
    for sample in lineup.samples if lineup.warm_up is None else lineup.warm_up:
        await _take(sample, lineup.sample_timeout_s, into={}, stalls=stalls)
    within_s = plan.section_s if lineup.within_s is None else lineup.within_s
    longest = 0.0
    for number in range(plan.rounds if lineup.rounds is None else lineup.rounds):
        if number and perf_counter() - began + longest > within_s:
            break
        round_began = perf_counter()
        for sample in lineup.samples if number % 2 == 0 else reversed(lineup.samples):
            await _take(sample, lineup.sample_timeout_s, into=found, stalls=stalls)
        longest = max(longest, perf_counter() - round_began)


async def _take(
    sample: Sample, timeout_s: float, *, into: dict[str, list[float]], stalls: list[str]
) -> None:
    try:
        async with asyncio.timeout(timeout_s):
            figures = await sample()
    except Stalled as stalled:
        stalls.append(str(stalled))
        return
    for row, figure in figures.items():
        into.setdefault(row, []).append(figure)


def median(figures: Sequence[float]) -> float:
    """The middle of the rounds."""
    return statistics.median(figures)


def percentile(values: Sequence[float], percent: int) -> float:
    """The value that `percent` of 100 do not exceed; one value is its own percentile."""
    if len(values) == 1:
        return values[0]
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]


class Progress:
    """Counts batches up to `size`; the rate runs from the end of the first to the last."""

    def __init__(self, row: str, size: int) -> None:
        self._row = row
        self._size = size
        self._seen = 0
        self._first: tuple[int, float] | None = None
        self._last_at = monotonic()

    @property
    def whole(self) -> bool:
        """Whether all of them came."""
        return self._seen >= self._size

    def add(self, events: int, *, at: float) -> None:
        """A batch is done; `at` by the monotonic clock."""
        self._seen += events
        self._last_at = at
        if self._first is None:
            self._first = (events, at)

    async def finish(self, workers: Sequence[asyncio.Task[None]]) -> None:
        """Return when all is counted. Raises what ended a worker before that, or `Stalled`."""
        while not self.whole:
            done, _ = await asyncio.wait(
                workers, timeout=LOOK_S, return_when=asyncio.FIRST_COMPLETED
            )
            for worker in done:
                worker.result()
            if done or monotonic() - self._last_at > STALL_S:
                raise Stalled(f"{self._row}: only {self._seen} of {self._size} events came")

    def rate(self) -> float:
        """Events per second after the first batch."""
        assert self._first is not None
        events, began = self._first
        return (self._seen - events) / (self._last_at - began)
