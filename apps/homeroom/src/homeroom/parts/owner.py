"""Who may own a PostgreSQL cluster, and where: `initdb` and `postgres` refuse to run as root.

Run as root, the cluster belongs to an existing unprivileged system user and lives where that
user can reach it. Permissions of folders that we did not make are never changed.
"""

import os
import pwd
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path

CANDIDATES = ("postgres", "nobody")
POINTER = "location"


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """A system user to run as; `uid` and `gid` are None for "whoever runs us"."""

    uid: int | None
    gid: int | None

    def give(self, path: Path) -> None:
        """Makes this user the owner of `path`; for "whoever runs us" there is nothing to do."""
        if self.uid is not None and self.gid is not None:
            os.chown(path, self.uid, self.gid)


def cluster_owner() -> Owner | None:
    """Ourselves, or as root the first unprivileged candidate; None if there is none."""
    if os.geteuid() != 0:
        return Owner(uid=None, gid=None)
    for name in CANDIDATES:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Owner(uid=entry.pw_uid, gid=entry.pw_gid)
    return None


def reachable(path: Path, *, owner: Owner) -> bool:
    """Whether `owner` may pass through every folder above `path` and into it if it is one."""
    if owner.uid is None:
        return True
    resolved = path.resolve()
    folders = [*resolved.parents, resolved] if resolved.is_dir() else list(resolved.parents)
    return all(_may_enter(folder.stat(), owner=owner) for folder in folders)


def _may_enter(status: os.stat_result, *, owner: Owner) -> bool:
    if status.st_uid == owner.uid:
        return bool(status.st_mode & stat.S_IXUSR)
    if status.st_gid == owner.gid:
        return bool(status.st_mode & stat.S_IXGRP)
    return bool(status.st_mode & stat.S_IXOTH)


def cluster_home(folder: Path, *, owner: Owner) -> Path:
    """A folder for the cluster: `folder`, or where `owner` cannot reach it one in the temp folder.

    The place chosen is written to `folder/location`, so the next start finds the same cluster and
    removing `folder` forgets it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if reachable(folder, owner=owner):
        return folder.resolve()
    pointer = folder / POINTER
    if pointer.exists():
        home = Path(pointer.read_text(encoding="utf-8").strip())
        if home.is_dir():
            return home
    home = Path(tempfile.mkdtemp(prefix="homeroom-postgres-"))
    home.chmod(0o711)
    pointer.write_text(f"{home}\n", encoding="utf-8")
    return home
