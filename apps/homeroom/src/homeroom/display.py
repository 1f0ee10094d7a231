"""What a person sees: lines, bars and tables; plain lines where nobody watches a terminal."""

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

PLAIN_STEPS = 10
PLAIN_WIDTH = 110

# How many are done, of how many.
Advance = Callable[[int, int], None]


class Display:
    """Prints to standard output. `plain` forces lines without colour, bars or cursor moves."""

    def __init__(self, *, plain: bool) -> None:
        console = _console()
        self.plain = plain or not console.is_terminal
        if self.plain:
            console = _console(no_color=True, width=PLAIN_WIDTH)
        self.console = console

    def say(self, text: str = "") -> None:
        """Print one line as it is."""
        self.console.print(text, soft_wrap=True)

    def good(self, text: str) -> None:
        self.console.print(text, style="green", soft_wrap=True)

    def bad(self, text: str) -> None:
        self.console.print(text, style="bold red", soft_wrap=True)

    def table(
        self,
        title: str,
        columns: Sequence[str],
        rows: Sequence[Sequence[str]],
        *,
        numbers: Collection[str] = (),
    ) -> None:
        """Print a table; the columns named in `numbers` stand right."""
        table = Table(title=title, title_justify="left")
        for column in columns:
            table.add_column(column, justify="right" if column in numbers else "left")
        for row in rows:
            table.add_row(*row)
        self.console.print(table)

    @contextmanager
    def bar(self, label: str) -> Iterator[Advance]:
        """Give a function that takes (done, total); call it as often as you like."""
        if self.plain:
            yield self._plain_bar(label)
            return
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        with Progress(*columns, TimeElapsedColumn(), console=self.console, transient=True) as bar:
            task = bar.add_task(label, total=None)

            def advance(done: int, total: int) -> None:
                bar.update(task, completed=done, total=total)

            yield advance

    def _plain_bar(self, label: str) -> Advance:
        printed = -1

        def advance(done: int, total: int) -> None:
            nonlocal printed
            step = PLAIN_STEPS if total == 0 else min(PLAIN_STEPS, done * PLAIN_STEPS // total)
            if step > printed:
                printed = step
                self.say(f"    {label}: {done} of {total}")

        return advance


def _console(*, no_color: bool | None = None, width: int | None = None) -> Console:
    """Prints what it is given as it is: no markup (`[b]`), no pictures (`:school:`)."""
    return Console(highlight=False, markup=False, emoji=False, no_color=no_color, width=width)
