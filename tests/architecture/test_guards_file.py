"""Every guard of `tests/guards.toml` can still be taken out; `make guards` shows what that does."""

import ast

import pytest

from tests.architecture.workspace import ROOT
from tests.guards.guard_file import Guard, GuardFault, load

GUARDS = load(ROOT)


@pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: guard.name)
def test_the_guard_still_stands_where_it_is_taken_out(guard: Guard) -> None:
    without = guard.removed_from((ROOT / guard.file).read_text())

    ast.parse(without)


@pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: guard.name)
def test_the_tests_of_a_guard_are_in_the_tree(guard: Guard) -> None:
    for test in guard.tests:
        file, _, name = test.partition("::")
        tree = ast.parse((ROOT / file).read_text())
        functions = {
            node.name
            for node in tree.body
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        }
        assert name.partition("[")[0] in functions


@pytest.mark.parametrize("text", ["a guard stood here", "guard, guard"])
def test_a_guard_that_is_not_there_once_is_a_fault(text: str) -> None:
    guard = Guard(
        name="sample", file=GUARDS[0].file, search="guard", replace="", tests=("tests/x.py::y",)
    )

    assert guard.removed_from("if guard: ...") == "if : ..."
    with pytest.raises(GuardFault):
        guard.removed_from(text.replace("guard stood", "gap stood"))
