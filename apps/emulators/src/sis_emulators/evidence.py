"""What the emulator saw and did, counted by itself, so that nobody has to believe the client."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any

from sis_emulators import NOTICE, VERSION


@dataclass(slots=True, kw_only=True)
class Evidence:
    """Counts since the start, or since they were last set to nothing."""

    product: str
    requests: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    answers: Counter[str] = field(default_factory=Counter)
    refusals: Counter[str] = field(default_factory=Counter)
    notifications: Counter[str] = field(default_factory=Counter)
    tokens_issued: int = 0
    pages_served: int = 0
    items_served: int = 0
    at_once: int = 0
    most_at_once: int = 0

    def enter(self) -> None:
        """A request began."""
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)

    def leave(self) -> None:
        """A request ended."""
        self.at_once -= 1

    def page(self, items: int) -> None:
        """A page of a collection went out."""
        self.pages_served += 1
        self.items_served += items

    def forget(self) -> None:
        """Sets every count to nothing, but for the requests under way."""
        fresh = Evidence(product=self.product, at_once=self.at_once, most_at_once=self.at_once)
        for name in self.__slots__:
            setattr(self, name, getattr(fresh, name))

    def report(self) -> dict[str, Any]:
        """As `/_evidence` answers it."""
        return {
            "product": self.product,
            "notice": NOTICE,
            "version": VERSION,
            "requests": {path: dict(counts) for path, counts in sorted(self.requests.items())},
            "answers": dict(self.answers),
            "refusals": dict(self.refusals),
            "notifications": dict(self.notifications),
            "tokensIssued": self.tokens_issued,
            "pagesServed": self.pages_served,
            "itemsServed": self.items_served,
            "mostAtOnce": self.most_at_once,
        }
