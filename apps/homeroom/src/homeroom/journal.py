"""The steps of a run with their milliseconds, and which step was under way when it failed."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from homeroom.display import Display


@dataclass(slots=True, kw_only=True)
class Step:
    """One step. `owner` is the process to look at if it fails; `detail` is for the reader.

    `ms` may be set by the step itself where its time counts from elsewhere; `tail` is the end of
    the owner's log where the step failed.
    """

    name: str
    owner: str | None = None
    detail: str = ""
    ms: float | None = None
    tail: str = ""


@dataclass(slots=True, kw_only=True)
class Journal:
    """Steps in the order in which they ended well, and the one under way."""

    display: Display
    done: list[Step] = field(default_factory=list)
    current: Step | None = None

    @contextmanager
    def step(self, name: str, *, owner: str | None = None) -> Iterator[Step]:
        """Time the block and print its line; an exception leaves it as `current`."""
        step = Step(name=name, owner=owner)
        self.current = step
        began = time.perf_counter()
        yield step
        if step.ms is None:
            step.ms = (time.perf_counter() - began) * 1000
        self.end(step)

    def end(self, step: Step, *, shown: str | None = None) -> None:
        """Note a step as ended well and print its line, under a shorter name if one is given."""
        self.done.append(step)
        self.current = None
        detail = f": {step.detail}" if step.detail else ""
        self.display.say(f"  {step.ms or 0:>9,.0f} ms  {shown or step.name}{detail}")
