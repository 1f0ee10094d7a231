"""One chapter of the story: what the SIS said, and who saw it where after how many milliseconds.

Times count from the moment the chapter's first webhook was sent to the moment an outsider's look
showed it, so each is an upper bound: looks are a few milliseconds apart.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event
from time import perf_counter
from typing import Any, Final

from homeroom.demo.outside import Outside
from homeroom.demo.outsiders.sender import Accepted
from homeroom.errors import CommandFailed
from homeroom.journal import Step
from homeroom.operator_client import Page
from homeroom.services import SERVICES, SIS_INGEST, Service
from homeroom.waiting import wait_for

CHANGE_WITHIN_S: Final = 60.0
ROUND_S: Final = 0.02
# The directory looks through all its accounts for each answer, so it is asked less often.
DIRECTORY_EVERY_S: Final = 0.04

ACCEPTED: Final = "accepted"
LOG: Final = "on the log"
ROSTER: Final = "in the roster API"
ONE_SCHOOL: Final = "for the one-school vendor"
DIRECTORY: Final = "in the directory"
GROUPS: Final = "in the directory's groups"
HELP_DESK: Final = "at the help desk"
NAMES: Final = "directory's names in the roster API"
# In the order of the flow, with the short words of the table.
SHORT: Final[Mapping[str, str]] = {
    ACCEPTED: "accepted",
    LOG: "log",
    ROSTER: "roster",
    ONE_SCHOOL: "one school",
    DIRECTORY: "directory",
    GROUPS: "groups",
    HELP_DESK: "help desk",
    NAMES: "names back",
}
PLACES: Final = tuple(SHORT)

Send = Callable[..., Accepted]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """A place where an outsider looks, and what must be seen there: `seen` answers something true.

    `owner` is the process to look at when it does not come; `what` is for the reader.
    """

    place: str
    owner: str
    what: str
    seen: Callable[[], object]
    every_s: float = ROUND_S


@dataclass(frozen=True, slots=True, kw_only=True)
class Voice:
    """Who speaks in a chapter and at which door; `logged` is the step of the trace there that is
    one commit with its event.
    """

    send: Send
    door: Service
    logged: str


@dataclass(slots=True, kw_only=True)
class Chapter:
    """One change on its way. `ids` are those at each counterpart, for the evidence."""

    outside: Outside
    title: str
    voice: Voice
    began: float | None = None
    correlation_ids: list[str] = field(default_factory=list)
    delivery_ids: list[str] = field(default_factory=list)
    ids: dict[str, Any] = field(default_factory=dict)
    ms: dict[str, float] = field(default_factory=dict)

    def say(self, changes: Sequence[tuple[str, Mapping[str, object]]]) -> None:
        """Post (kind, object) pairs as signed webhooks, in order. Repeats carry the same id."""
        owner = self.voice.door.name
        step = self.outside.journal.current = Step(name=self._name(ACCEPTED), owner=owner)
        self.began = perf_counter()
        for kind, data in changes:
            receipt = self.voice.send(
                kind,
                data,
                message_id=f"msg_{self.outside.ids.new_id()}",
                at=self.outside.clock.now(),
            )
            self.correlation_ids.append(receipt.correlation_id)
            self.delivery_ids.append(receipt.delivery_id)
        many = f"{len(changes)} webhooks" if len(changes) > 1 else "1 webhook"
        step.detail = f"{many}, correlation {self.correlation_ids[0]}"
        self._end(step, ACCEPTED, at=perf_counter())

    def type(self, deed: str, **fields: object) -> list[Mapping[str, Any]]:
        """Have the clerk of an emulated SIS type it there; the records it touched.

        The SIS hands out no receipt, so the log is asked for no commit of it.
        """
        if self.outside.office is None:
            raise CommandFailed(f"{self.title}: there is no clerk")
        step = self.outside.journal.current = Step(name=self._name(ACCEPTED), owner="sis-emulator")
        self.began = perf_counter()
        records = self.outside.office.type(deed, **fields)
        step.detail = f"typed by the clerk, {len(records)} records touched"
        self._end(step, ACCEPTED, at=perf_counter())
        return records

    def watch(self, *sights: Sight) -> None:
        """Look at all places at once until each has shown it. Raises TookTooLong by name."""
        everywhere = [*([self._on_the_log()] if self.correlation_ids else []), *sights]
        enough = Event()
        with ThreadPoolExecutor(max_workers=len(everywhere)) as pool:
            looks = {pool.submit(self._look, sight, enough): sight for sight in everywhere}
            try:
                self._gather(looks)
            finally:
                enough.set()

    def _gather(self, looks: dict[Future[float], Sight]) -> None:
        pending = set(looks)
        while pending:
            first = min((looks[look] for look in pending), key=lambda s: PLACES.index(s.place))
            self.outside.journal.current = self._step(first)
            done, pending = wait(pending, return_when=FIRST_COMPLETED)
            for look in sorted(done, key=lambda one: PLACES.index(looks[one].place)):
                step = self.outside.journal.current = self._step(looks[look])
                self._end(step, looks[look].place, at=look.result())

    def _look(self, sight: Sight, enough: Event) -> float:
        """Return the moment at which the place showed it, or at which nobody waits any more."""
        wait_for(
            f"{self.title}: {sight.what} {sight.place}",
            lambda: enough.is_set() or sight.seen() or None,
            within_s=CHANGE_WITHIN_S,
            every_s=sight.every_s,
            check=self.outside.check,
        )
        return perf_counter()

    def demand(self, what: str, holds: object) -> None:
        """Raise CommandFailed naming what does not hold."""
        if not holds:
            raise CommandFailed(f"{self.title}: it does not hold that {what}")

    def _on_the_log(self) -> Sight:
        door = self.voice.door
        return Sight(
            place=LOG,
            owner=door.name,
            what=f"{door.name}'s trace shows the commit",
            seen=lambda: all(map(self._logged, self.correlation_ids)),
        )

    def _logged(self, correlation_id: str) -> bool:
        page = self.outside.operator.read(self.voice.door, f"/trace/{correlation_id}")
        return any(step["what"] == self.voice.logged for step in page["steps"])

    def _step(self, sight: Sight) -> Step:
        return Step(name=self._name(sight.place), owner=sight.owner, detail=sight.what)

    def _end(self, step: Step, place: str, *, at: float) -> None:
        if self.began is None:
            raise CommandFailed(f"{self.title}: nothing was sent yet")
        step.ms = (at - self.began) * 1000
        self.ms[place] = round(step.ms, 1)
        self.outside.journal.end(step, shown=place)

    def _name(self, place: str) -> str:
        return f"{self.title}: {place}"


@contextmanager
def chapter(
    outside: Outside, key: str, title: str, *, voice: Voice | None = None
) -> Iterator[Chapter]:
    """Open a chapter under its title; at its end `key` holds it in the evidence, traces too.

    The SIS speaks unless another voice is given.
    """
    sis = Voice(send=outside.sis.send, door=SIS_INGEST, logged="records.changed")
    told = Chapter(outside=outside, title=title, voice=voice or sis)
    chapters: dict[str, Any] = outside.found.setdefault("chapters", {})
    outside.journal.display.say(f"\n  {len(chapters) + 1}. {title}")
    record: Page = {"title": title, "ids": told.ids, "ms": told.ms}
    record["correlationIds"] = told.correlation_ids
    record["deliveryIds"] = told.delivery_ids
    chapters[key] = record
    yield told
    tracing = [one for one in SERVICES if outside.offers(one, "/trace/{correlation_id}")]
    for silent in SERVICES:
        if silent not in tracing:
            outside.leave_out(f"{title}: the trace of {silent.name}", "it has no such page")
    steps = [
        {"service": service.name, **step}
        for correlation_id in told.correlation_ids
        for service in tracing
        for step in outside.operator.read(service, f"/trace/{correlation_id}")["steps"]
    ]
    record["trace"] = sorted(steps, key=lambda step: str(step["at"]))
