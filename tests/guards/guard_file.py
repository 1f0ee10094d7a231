"""Reads `tests/guards.toml`: which guards the code has, how each is removed, which test sees it.

A guard is a promise of the code that no other line repeats. Taking it out must turn the tests
named red; a test that stays green proves nothing (`make guards`).
"""

import tomllib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

FILE: Final = "tests/guards.toml"
_KEYS: Final = {"name", "file", "search", "replace", "tests"}


class GuardFault(Exception):
    """The list of guards does not fit the tree."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """`search` stands once in `file`; with `replace` in its place the `tests` must fail."""

    name: str
    file: PurePosixPath
    search: str
    replace: str
    tests: tuple[str, ...]

    def removed_from(self, text: str) -> str:
        """The file's text without the guard. Raises GuardFault unless `search` stands there once."""
        found = text.count(self.search)
        if found != 1:
            raise GuardFault(f"{self.name}: the text searched stands {found} times in {self.file}")
        return text.replace(self.search, self.replace)


def load(root: Path) -> tuple[Guard, ...]:
    """The guards in the order of the file. Raises GuardFault for a table that says nothing."""
    tables = tomllib.loads((root / FILE).read_text())["guard"]
    guards = tuple(_guard(table) for table in tables)
    names = [guard.name for guard in guards]
    if len(set(names)) != len(names):
        raise GuardFault("two guards of one name")
    return guards


def _guard(table: dict[str, object]) -> Guard:
    name = str(table.get("name"))
    if table.keys() != _KEYS:
        raise GuardFault(f"{name}: has {sorted(table)}, needs {sorted(_KEYS)}")
    search, replace, tests = str(table["search"]), str(table["replace"]), table["tests"]
    if not isinstance(tests, list) or not tests or search == replace:
        raise GuardFault(f"{name}: changes nothing or names no test")
    return Guard(
        name=name,
        file=PurePosixPath(str(table["file"])),
        search=search,
        replace=replace,
        tests=tuple(map(str, tests)),
    )
