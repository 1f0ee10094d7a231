"""House rules that no ready-made linter knows, as small functions over one module's syntax tree.

A rule takes a `Source` and yields violations; it reads nothing else. Where a rule allows an
exception, the exception stands in the list beside it, with its reason.
"""

import ast
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final

from tests.architecture.sql_rule import statements_without_district

MAX_FILE_LINES: Final = 500
MAX_FUNCTION_LINES: Final = 60
# A function inside another one is told by the outer one's docstring up to here.
MAX_SILENT_LINES: Final = 8

# Modules other than settings.py that may read the environment.
ENVIRONMENT_READERS: Final[Mapping[str, str]] = {
    "libs/common/src/roster_common/runtime/failpoints.py": (
        "crash tests arm a point before any settings exist; production settings refuse to start"
    ),
}
CLOCKS: Final = {
    "libs/common/src/roster_common/runtime/clock.py",
    # An emulator stands apart from the product, its time too.
    "apps/emulators/src/sis_emulators/clock.py",
}

_ENVIRONMENT: Final = {"os.environ", "os.environb", "os.getenv", "os.getenvb", "os.putenv"}
_TIME: Final = {
    "datetime.datetime.now",
    "datetime.datetime.today",
    "datetime.datetime.utcnow",
    "datetime.date.today",
    "time.time",
    "time.time_ns",
}
_LOGGERS: Final = re.compile(r"_?(log|logger)")
_LOG_METHODS: Final = {"debug", "info", "warning", "error", "exception", "critical"}
_EVENT_NAME: Final = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One module: its place from the root of the workspace, its text and its tree."""

    path: str
    text: str
    tree: ast.Module


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """One breach of a rule."""

    path: str
    line: int
    what: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.what}"


Rule = Callable[[Source], Iterator[Violation]]


def source_of(path: str, text: str) -> Source:
    """Parse `text`; raises SyntaxError where it is no Python."""
    return Source(path=path, text=text, tree=ast.parse(text))


def read(file: Path, root: Path) -> Source:
    """The module in `file`, named from `root`."""
    return source_of(file.relative_to(root).as_posix(), file.read_text())


def only_settings_read_the_environment(source: Source) -> Iterator[Violation]:
    """The environment is read once, typed and redacted: in settings modules."""
    if PurePosixPath(source.path).name == "settings.py" or source.path in ENVIRONMENT_READERS:
        return
    for line, name in _uses_of(source.tree, _ENVIRONMENT):
        yield _violation(source, line, f"{name} outside a settings module")


def only_the_clock_tells_the_time(source: Source) -> Iterator[Violation]:
    """Time comes in through the port, so that tests can set it."""
    if source.path in CLOCKS:
        return
    for line, name in _uses_of(source.tree, _TIME):
        yield _violation(source, line, f"{name} outside runtime/clock.py")


def event_names_are_constants(source: Source) -> Iterator[Violation]:
    """A log line is found by its name, and a name put together may carry a student."""
    for node in ast.walk(source.tree):
        if not isinstance(node, ast.Call) or not _is_log_call(node.func):
            continue
        name = node.args[0] if node.args else None
        constant = name.value if isinstance(name, ast.Constant) else None
        if not isinstance(constant, str) or not _EVENT_NAME.fullmatch(constant):
            yield _violation(source, node.lineno, "event name is no constant in snake_case")


def modules_say_what_they_are(source: Source) -> Iterator[Violation]:
    """Every module opens with a docstring."""
    if ast.get_docstring(source.tree) is None:
        yield _violation(source, 1, "module has no docstring")


def files_are_short(source: Source) -> Iterator[Violation]:
    """A longer file does more than one thing."""
    lines = len(source.text.splitlines())
    if lines > MAX_FILE_LINES:
        yield _violation(source, 1, f"file of {lines} lines, more than {MAX_FILE_LINES}")


def functions_are_short(source: Source) -> Iterator[Violation]:
    """A longer function does more than one thing; its docstring counts."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > MAX_FUNCTION_LINES:
                yield _violation(source, node.lineno, f"{node.name} has {lines} lines")


def inner_functions_say_what_they_do(source: Source) -> Iterator[Violation]:
    """A function inside another one has a docstring, unless it is read at one glance.

    Linters ask it of functions of a module only.
    """
    for node in sorted(_inner_functions(source.tree), key=lambda one: one.lineno):
        lines = (node.end_lineno or node.lineno) - node.lineno + 1
        if lines > MAX_SILENT_LINES and ast.get_docstring(node) is None:
            yield _violation(source, node.lineno, f"{node.name} has no docstring")


def queries_name_the_district(source: Source) -> Iterator[Violation]:
    """A statement on a service's table names the district or says why it need not."""
    if "/adapters/" not in source.path:
        return
    for line, table in statements_without_district(source.tree, source.text):
        yield _violation(source, line, f"statement on {table} names no district_id")


def topics_without_owner(manifest: Mapping[str, Any], services: frozenset[str]) -> list[str]:
    """Names of topics in a parsed `topics.toml` whose owner is none of `services`, sorted."""
    topics: Mapping[str, Mapping[str, Any]] = manifest["topics"]
    return sorted(name for name, topic in topics.items() if topic.get("owner") not in services)


# Production code.
PRODUCTION_RULES: Final[tuple[Rule, ...]] = (
    only_settings_read_the_environment,
    only_the_clock_tells_the_time,
    event_names_are_constants,
    modules_say_what_they_are,
    files_are_short,
    functions_are_short,
    inner_functions_say_what_they_do,
    queries_name_the_district,
)
# Tests too.
TEST_RULES: Final[tuple[Rule, ...]] = (
    modules_say_what_they_are,
    files_are_short,
    functions_are_short,
)


def _violation(source: Source, line: int, what: str) -> Violation:
    return Violation(path=source.path, line=line, what=what)


def _inner_functions(tree: ast.Module) -> set[ast.FunctionDef | ast.AsyncFunctionDef]:
    return {
        node
        for outer in ast.walk(tree)
        if isinstance(outer, ast.FunctionDef | ast.AsyncFunctionDef)
        for node in ast.walk(outer)
        if node is not outer and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }


def _is_log_call(function: ast.expr) -> bool:
    if not isinstance(function, ast.Attribute) or function.attr not in _LOG_METHODS:
        return False
    match function.value:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return _LOGGERS.fullmatch(name) is not None
        case _:
            return False


def _uses_of(tree: ast.Module, names: set[str]) -> Iterator[tuple[int, str]]:
    """Line and full name of each use of `names`, through whatever name they were imported by."""
    known = _imported_names(tree)
    for node in ast.walk(tree):
        match node:
            case ast.Attribute():
                full = _full_name(node, known)
            case ast.Name(id=local, ctx=ast.Load()):
                full = known.get(local)
            case _:
                continue
        if full in names:
            yield node.lineno, full


def _imported_names(tree: ast.Module) -> dict[str, str]:
    known: dict[str, str] = {}
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=aliases):
                for alias in aliases:
                    first = alias.name.partition(".")[0]
                    known[alias.asname or first] = alias.name if alias.asname else first
            case ast.ImportFrom(module=str(module), names=aliases):
                for alias in aliases:
                    known[alias.asname or alias.name] = f"{module}.{alias.name}"
            case _:
                continue
    return known


def _full_name(node: ast.expr, known: Mapping[str, str]) -> str | None:
    match node:
        case ast.Name(id=local):
            return known.get(local)
        case ast.Attribute(value=value, attr=attr):
            outer = _full_name(value, known)
            return None if outer is None else f"{outer}.{attr}"
        case _:
            return None
