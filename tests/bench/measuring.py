"""How a figure comes about: interleaved rounds, the warm-up left out, the median kept.

Times decide nothing here but how many rounds fit; a slow machine gets fewer of them.
"""

import asyncio
import statistics
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter

SAMPLE_TIMEOUT_S = 60.0

Figures = Mapping[str, float]
Sample = Callable[[], Awaitable[Figures]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How long to measure. `section_s` ends a section's rounds early; what has not begun or ended
    `total_s` after the start of the run is left out."""

    quick: bool
    rounds: int
    writing_s: float
    backlog: int
    latency_s: float
    section_s: float
    total_s: float


FULL = Plan(
    quick=False, rounds=5, writing_s=0.8, backlog=20_000, latency_s=10.0, section_s=50, total_s=225
)
QUICK = Plan(
    quick=True, rounds=1, writing_s=0.25, backlog=4_000, latency_s=3.0, section_s=10, total_s=54
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """What a section measures on. `bootstrap` is None where Kafka cannot be had."""

    plan: Plan
    server_url: str
    bootstrap: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Lineup:
    """Samples to interleave; `warm_up` stands in for them in the round that is thrown away."""

    samples: Sequence[Sample]
    warm_up: Sequence[Sample] | None = None
    rounds: int | None = None


async def interleave(lineup: Lineup, *, plan: Plan) -> dict[str, list[float]]:
    """Take every sample once a round, in turn from either end, and return figures by row.

    At least one round is taken; another only if it is likely to end within `plan.section_s`.
    Raises `TimeoutError` when a single sample takes longer than a minute.
    """
    began = perf_counter()
    for sample in lineup.samples if lineup.warm_up is None else lineup.warm_up:
        await _bounded(sample)
    found: dict[str, list[float]] = {}
    longest = 0.0
    for number in range(plan.rounds if lineup.rounds is None else lineup.rounds):
        if number and perf_counter() - began + longest > plan.section_s:
            break
        round_began = perf_counter()
        for sample in lineup.samples if number % 2 == 0 else reversed(lineup.samples):
            for row, figure in (await _bounded(sample)).items():
                found.setdefault(row, []).append(figure)
        longest = max(longest, perf_counter() - round_began)
    return found


async def _bounded(sample: Sample) -> Figures:
    async with asyncio.timeout(SAMPLE_TIMEOUT_S):
        return await sample()


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

    def __init__(self, size: int) -> None:
        self.whole = asyncio.Event()
        self._size = size
        self._seen = 0
        self._first: tuple[int, float] | None = None
        self._last_at = 0.0

    def add(self, events: int, *, at: float) -> None:
        """A batch is done."""
        self._seen += events
        self._last_at = at
        if self._first is None:
            self._first = (events, at)
        if self._seen >= self._size:
            self.whole.set()

    def rate(self) -> float:
        """Events per second after the first batch."""
        assert self._first is not None
        events, began = self._first
        return (self._seen - events) / (self._last_at - began)
