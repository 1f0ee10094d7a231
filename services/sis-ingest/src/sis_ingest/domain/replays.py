"""A replay: deliveries of one district said again, in the order in which they came. Pure.

What was said before stays as new as it was, so a newer word wins and nothing is told twice.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final, Literal, TypeAlias

from sis_ingest.domain.changes import Verdict
from sis_ingest.domain.deliveries import Delivery, DeliveryKind
from sis_ingest.domain.runs import Run

ReplayState: TypeAlias = Literal["waiting", "running", "completed", "failed"]

# What became of a delivery, in the words of a report; anything else is the reason of a refusal.
_SAID: Final[Mapping[str, str]] = {
    Verdict.NEW.value: "changed",
    Verdict.CHANGED.value: "changed",
    Verdict.UNCHANGED.value: "unchanged",
    Verdict.STALE.value: "stale",
    Verdict.SUPERSEDED.value: "stale",
    Verdict.HELD.value: "held",
    "nothing_changed": "unchanged",
    "nothing_said": "unchanged",
}
COUNTED: Final = ("changed", "unchanged", "stale", "held")


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which deliveries of a district: by id, or of one source by when they came (from, to]."""

    delivery_ids: tuple[str, ...] = ()
    source_id: str | None = None
    after: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """One replay and how far it is; `outcomes` counts deliveries by verdict or refusal.

    With `as_of`, the one file that it says again speaks of that moment: a rollback. A `dry_run`
    finds out what would be done and does nothing.
    """

    replay_id: str
    district_id: str
    correlation_id: str
    requested_by: str
    state: ReplayState
    asked_at: datetime
    dry_run: bool = False
    as_of: datetime | None = None
    total: int = 0
    started_at: datetime | None = None
    finished_at: datetime | None = None
    reason: str | None = None
    outcomes: Mapping[str, int] = field(default_factory=dict)

    def after(self, outcomes: Iterable[str]) -> "Replay":
        """A copy that counts these too."""
        return replace(self, outcomes=dict(Counter(self.outcomes) + Counter(outcomes)))

    @property
    def done(self) -> int:
        """Deliveries said again so far."""
        return sum(self.outcomes.values())

    def counts(self) -> Mapping[str, int]:
        """Deliveries by what became of them; each is one of `COUNTED` or refused."""
        found = Counter(dict.fromkeys((*COUNTED, "refused"), 0))
        for outcome, times in self.outcomes.items():
            found[_SAID.get(outcome, "refused")] += times
        return found

    def refusals(self) -> Mapping[str, int]:
        """Refused deliveries by reason."""
        return {reason: times for reason, times in self.outcomes.items() if reason not in _SAID}


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A delivery of a replay: a webhook with its bytes, or the run that a file came with.

    `purged` says that the bytes are gone.
    """

    place: int
    kind: DeliveryKind
    delivery: Delivery
    purged: bool
    run: Run | None
