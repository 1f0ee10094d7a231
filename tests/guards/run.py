"""Shows that each guard of `tests/guards.toml` is seen by its tests: `make guards`.

In copies of the tree, one for each core: first every test named must pass, then each guard is
taken out alone and its tests must fail. Words as arguments choose the guards whose names hold one
of them. Exits 1 when a guard does not apply any more, or when a test stays green without it.
"""

import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from time import monotonic
from typing import TypeVar

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.architecture.workspace import ROOT
from tests.guards.copied_tree import CopiedTree, Verdict
from tests.guards.guard_file import Guard, GuardFault, load

_TIMEOUT_S = 300.0
_PER_TEST_S = 60.0
_TOGETHER = 25
_WHY_CHARS = 70

_T = TypeVar("_T")


def main(words: Sequence[str]) -> int:
    """Run, print a table, return the exit code."""
    if any(word.startswith("-") for word in words):
        _say(__doc__ or "")
        return 0
    guards = [g for g in load(ROOT) if not words or any(word in g.name for word in words)]
    with tempfile.TemporaryDirectory(prefix="homeroom-guards-") as folder:
        trees = [CopiedTree(Path(folder) / str(n)) for n in range(min(_cores(), len(guards)))]
        _say(f"the packages are imported from {', '.join(str(tree.root) for tree in trees)}")
        named = sorted({test for guard in guards for test in guard.tests})
        _say(f"{len(guards)} guards, {len(named)} tests; all must pass before any guard is removed")
        batches = [named[n : n + _TOGETHER] for n in range(0, len(named), _TOGETHER)]
        faults = [*_each(trees, batches, _check), *_each(trees, guards, _try)]
    _say(f"{len(guards)} guards, {len(faults)} faults")
    return 1 if faults or not guards else 0


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _each(
    trees: Sequence[CopiedTree], work: Sequence[_T], do: Callable[[CopiedTree, _T], list[str]]
) -> list[str]:
    """Do each piece of work in a tree that no other has at that time; returns all faults."""
    free: SimpleQueue[CopiedTree] = SimpleQueue()
    for tree in trees:
        free.put(tree)

    def one(piece: _T) -> list[str]:
        tree = free.get()
        try:
            return do(tree, piece)
        finally:
            free.put(tree)

    with ThreadPoolExecutor(max(1, len(trees))) as pool:
        return [fault for faults in pool.map(one, work) for fault in faults]


def _check(tree: CopiedTree, tests: Sequence[str]) -> list[str]:
    """Run tests with every guard in its place; returns those that did not pass."""
    verdicts = tree.run(tests, timeout_s=_TIMEOUT_S + _PER_TEST_S * len(tests))
    faults = _not_green(tests, verdicts)
    _say(
        "".join(
            [f"{len(tests) - len(faults)} pass\n", *(f"  {fault}\n" for fault in faults)]
        ).rstrip()
    )
    return faults


def _try(tree: CopiedTree, guard: Guard) -> list[str]:
    """Remove one guard, run its tests, put it back; returns what was wrong."""
    path = tree.root / guard.file
    before, begun = path.read_text(), monotonic()
    verdicts: list[Verdict] = []
    try:
        path.write_text(guard.removed_from(before))
        verdicts = tree.run(guard.tests, timeout_s=_TIMEOUT_S)
        faults = _not_red(guard.tests, verdicts)
    except GuardFault as fault:
        faults = [str(fault)]
    finally:
        path.write_text(before)
    lines = [f"{'STAYED' if faults else 'red':6}  {guard.name:48}  {monotonic() - begun:5.1f} s"]
    for verdict in verdicts:
        lines.append(f"        {verdict.outcome}: {verdict.test.rpartition('::')[2][:100]}")
        if verdict.why:
            lines.append(f"                {verdict.why[:_WHY_CHARS]}")
    _say("\n".join([*lines, *(f"        {fault}" for fault in faults)]))
    return faults


def _not_green(tests: Sequence[str], verdicts: Sequence[Verdict]) -> list[str]:
    ended = {verdict.test: verdict for verdict in verdicts}
    return [
        f"before: {test}: {ended[test].outcome if test in ended else 'did not run'}"
        for test in tests
        if test not in ended or ended[test].outcome != "passed"
    ]


def _not_red(tests: Sequence[str], verdicts: Sequence[Verdict]) -> list[str]:
    ended = {verdict.test: verdict.outcome for verdict in verdicts}
    return [
        f"{test}: {ended.get(test, 'did not run')}" for test in tests if ended.get(test) != "failed"
    ]


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
