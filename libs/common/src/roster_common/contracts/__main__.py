"""Writes and checks the generated files: `python -m roster_common.contracts`.

Without a flag it writes `schemas/` and, given `--asyncapi PATH`, that document. `--check` writes
nothing and fails on what is stale, missing or breaking. `--release` freezes today's schemas, and
refuses to freeze a breaking change. The only module of this room that touches files.
"""

import argparse
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from roster_common.contracts.asyncapi import asyncapi
from roster_common.contracts.compatibility import breaking_changes
from roster_common.contracts.schemas import all_schemas

ROOM: Final = Path(__file__).parent
DOCUMENT_VERSION: Final = "1"
_SUFFIX: Final = ".schema.json"


def stale_files(directory: Path, wanted: Mapping[str, str]) -> list[str]:
    """Schema files that differ from what is wanted, are missing, or have no type any more."""
    present = {path.name: path.read_text("utf-8") for path in directory.glob(f"*{_SUFFIX}")}
    return sorted(
        f"{directory.name}/{name}: stale, run `python -m roster_common.contracts`"
        for name in present.keys() | wanted.keys()
        if present.get(name) != wanted.get(name)
    )


def broken_releases(released: Path, current: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Every breaking change of today's schemas against the released ones."""
    faults: list[str] = []
    for path in sorted(released.glob(f"*{_SUFFIX}")):
        name = path.name.removesuffix(_SUFFIX)
        if name not in current:
            faults.append(f"{name}: released, but no longer registered")
            continue
        old = json.loads(path.read_text("utf-8"))
        faults += [f"{name}: {change}" for change in breaking_changes(old, current[name])]
    return faults


def missing_examples(examples: Path, names: Iterable[str]) -> list[str]:
    """Types without a first example."""
    return [
        f"{name}: no examples/{name}/1.json"
        for name in names
        if not (examples / name / "1.json").is_file()
    ]


def main(arguments: Sequence[str], *, room: Path = ROOM) -> int:
    """Runs one of the three jobs on `room`; 0 when all is well, 1 when something is refused."""
    options = _parser().parse_args(arguments)
    schemas = all_schemas()
    wanted = {f"{name}{_SUFFIX}": _text(schema) for name, schema in schemas.items()}
    document = _text(asyncapi(version=DOCUMENT_VERSION))
    faults = broken_releases(room / "released", schemas)
    if options.check:
        faults += stale_files(room / "schemas", wanted)
        faults += missing_examples(room / "examples", schemas)
        path: Path | None = options.asyncapi
        if path is not None and (not path.is_file() or path.read_text("utf-8") != document):
            faults.append(f"{path.name}: stale, run `python -m roster_common.contracts`")
    elif options.release:
        if not faults:
            _write(room / "released", wanted)
    else:
        faults = []
        _write(room / "schemas", wanted)
        if options.asyncapi is not None:
            options.asyncapi.write_text(document, "utf-8")
    sys.stdout.writelines(f"{fault}\n" for fault in faults)
    return 1 if faults else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m roster_common.contracts", description=__doc__)
    parser.add_argument("--asyncapi", type=Path, help="where the AsyncAPI document stands")
    job = parser.add_mutually_exclusive_group()
    job.add_argument("--check", action="store_true", help="fail when something is stale")
    job.add_argument("--release", action="store_true", help="freeze today's schemas")
    return parser


def _write(directory: Path, wanted: Mapping[str, str]) -> None:
    directory.mkdir(exist_ok=True)
    for path in directory.glob(f"*{_SUFFIX}"):
        if path.name not in wanted:
            path.unlink()
    for name, text in wanted.items():
        (directory / name).write_text(text, "utf-8")


def _text(document: Mapping[str, Any]) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
