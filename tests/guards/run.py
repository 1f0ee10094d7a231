"""Shows that each guard of `tests/guards.toml` is seen by its tests: `make guards`.

In a copy of the tree: first every test named must pass, then each guard is taken out alone and
its tests must fail. Words as arguments choose the guards whose names hold one of them. Exits 1
when a guard does not apply any more, or when a test stays green without it.
"""

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from time import monotonic

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.architecture.workspace import ROOT
from tests.guards.copied_tree import CopiedTree, Verdict
from tests.guards.guard_file import Guard, GuardFault, load

_TIMEOUT_S = 300.0
_WHY_CHARS = 70


def main(words: Sequence[str]) -> int:
    """Run, print a table, return the exit code."""
    if any(word.startswith("-") for word in words):
        _say(__doc__ or "")
        return 0
    guards = [g for g in load(ROOT) if not words or any(word in g.name for word in words)]
    with tempfile.TemporaryDirectory(prefix="homeroom-guards-") as folder:
        tree = CopiedTree(Path(folder))
        _say(f"the packages are imported from {tree.root}")
        named = sorted({test for guard in guards for test in guard.tests})
        _say(f"{len(guards)} guards, {len(named)} tests; all must pass before any guard is removed")
        faults = _not_green(named, tree.run(named, timeout_s=_TIMEOUT_S * 2))
        for fault in faults:
            _say(f"  {fault}")
        faults += [fault for guard in guards for fault in _try(tree, guard)]
    _say(f"{len(guards)} guards, {len(faults)} faults")
    return 1 if faults or not guards else 0


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
    _say(f"{'STAYED' if faults else 'red':6}  {guard.name:48}  {monotonic() - begun:5.1f} s")
    for verdict in verdicts:
        _say(f"        {verdict.outcome}: {verdict.test.rpartition('::')[2][:100]}")
        if verdict.why:
            _say(f"                {verdict.why[:_WHY_CHARS]}")
    for fault in faults:
        _say(f"        {fault}")
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
