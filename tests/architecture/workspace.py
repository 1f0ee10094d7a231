"""Where the workspace stands and which of its folders hold what; a copy of it to break things in."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SERVICES = ("sis-ingest", "roster-publisher", "directory-sync", "ticket-events")
SOURCE_FOLDERS = (
    "libs/common/src",
    *(f"services/{service}/src" for service in SERVICES),
    "apps/homeroom/src",
    "apps/emulators/src",
)
_LEFT_OUT = shutil.ignore_patterns("__pycache__", "*.pyc", "*.egg-info")


def copy_folders(target: Path, folders: tuple[str, ...]) -> None:
    """Copy folders of the workspace to the same places under `target`, without caches."""
    for folder in folders:
        shutil.copytree(ROOT / folder, target / folder, ignore=_LEFT_OUT)


def environment_for(tree: Path) -> dict[str, str]:
    """This process's environment, with the packages of `tree` before the installed ones."""
    folders = [str(tree / folder) for folder in SOURCE_FOLDERS]
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(folders),
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def python_files(*folders: str, root: Path = ROOT) -> Iterator[Path]:
    """Every module under the folders, sorted."""
    for folder in folders:
        yield from sorted((root / folder).rglob("*.py"))
