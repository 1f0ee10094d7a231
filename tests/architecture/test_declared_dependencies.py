"""What a distribution imports comes with it, so that its image, installed alone, has it."""

import ast
import re
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, packages_distributions, requires

import pytest

from tests.architecture.workspace import ROOT, SERVICES, python_files

MEMBERS = (
    "libs/common",
    *(f"services/{name}" for name in SERVICES),
    "apps/homeroom",
    "apps/emulators",
)
DISTRIBUTIONS = packages_distributions()
OURS = {
    "roster_common": "roster-common",
    **{name.replace("-", "_"): name for name in SERVICES},
    "homeroom": "homeroom",
    "sis_emulators": "sis-emulators",
}


def declared(member: str) -> set[str]:
    """The packages that it names, and itself."""
    project = tomllib.loads((ROOT / member / "pyproject.toml").read_text("utf-8"))["project"]
    wanted = [project["name"], *project["dependencies"]]
    for extra in project.get("optional-dependencies", {}).values():
        wanted += extra
    return {name_of(one) for one in wanted}


def with_what_they_bring(names: set[str]) -> set[str]:
    reached: set[str] = set()
    waiting = set(names)
    while waiting:
        name = waiting.pop()
        reached.add(name)
        try:
            lines = requires(name) or []
        except PackageNotFoundError:
            continue
        waiting |= {name_of(line) for line in lines if "extra ==" not in line} - reached
    return reached


def name_of(requirement: str) -> str:
    name = re.split(r"[\s\[<>=!~;(]", requirement, maxsplit=1)[0]
    return re.sub(r"[-_.]+", "-", name).lower()


def imported(member: str) -> set[str]:
    found: set[str] = set()
    for file in python_files("src", root=ROOT / member):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                found |= {name.name.partition(".")[0] for name in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                found.add(node.module.partition(".")[0])
    return found - set(sys.stdlib_module_names)


def distributions(module: str) -> set[str]:
    if module in OURS:
        return {OURS[module]}
    return {name_of(name) for name in DISTRIBUTIONS.get(module, ())}


@pytest.mark.parametrize("member", MEMBERS)
def test_a_member_brings_every_package_that_it_imports(member: str) -> None:
    allowed = with_what_they_bring(declared(member))
    undeclared = {module for module in imported(member) if not distributions(module) & allowed}

    assert undeclared == set()
