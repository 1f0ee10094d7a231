"""Files that a district leaves in a folder: which are ours, when they are finished, what to take.

Pure. A file counts as finished when two looks find it alike, or by a marker beside it, never by
its name alone: nobody tells when an upload ends.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

MARKER: Final = ".done"
# Loose files of one night come minutes apart; after this the others are taken to stand unchanged.
MIXED_WAIT: Final = timedelta(hours=1)
ONE_NIGHT: Final = timedelta(hours=6)
_NAME: Final = "{name}"
_MANIFEST: Final = "manifest.csv"
_WILD: Final = re.compile(r"(\*|\?|\{name\})")
_MEANS: Final = {"*": ".*", "?": ".", _NAME: "(?P<name>[A-Za-z]+)"}
_LONGEST_NAME: Final = 255


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A file as a listing shows it. `modified_at` is by the clock of where it lies."""

    name: str
    size_bytes: int
    modified_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class DropRules:
    """Which files of a drop are a source's.

    In `pattern`, `*` stands for any characters and `?` for one. With `{name}`, which stands for
    letters, all files that match are one package and each is called `<name>.csv` in it. With
    `done_marker` only a file with `<name>.done` beside it is finished.
    """

    pattern: str
    done_marker: bool = False

    @property
    def together(self) -> bool:
        """Whether all files that match are one package."""
        return _NAME in self.pattern


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """A file as it was taken last, and the moment as of which what it says was said."""

    file: Listed
    as_of: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """What becomes one snapshot. `packed` holds files by their names in a package to be made."""

    files: tuple[Listed, ...]
    packed: Mapping[str, Listed] | None = None

    @property
    def size_bytes(self) -> int:
        """Of all files."""
        return sum(file.size_bytes for file in self.files)

    def new(self, known: Mapping[str, Taken]) -> Sequence[Listed]:
        """Its files that do not stand as they were taken last."""
        return [file for file in self.files if _stands(file, known) is None]

    def taken(self, known: Mapping[str, Taken], as_of: datetime) -> Sequence[Taken]:
        """Its files when they are taken `as_of` then; those that stand were said before."""
        return [_stands(file, known) or Taken(file=file, as_of=as_of) for file in self.files]

    def unchanged(self, known: Mapping[str, Taken]) -> Mapping[str, datetime]:
        """Files that stand as they were taken last, by their names in the package: they say again
        what they said as of then, and nothing about what came since.
        """
        packed = (self.packed or {}).items()
        return {
            name: stands.as_of
            for name, file in packed
            if (stands := _stands(file, known)) is not None
        }

    def as_of(self, known: Mapping[str, Taken]) -> datetime:
        """What it speaks of: when the first of its new files was written, so that one of
        yesterday beside one of today undoes nothing that was said between them. A manifest, which
        may stand there for years, tells no time beside other files.
        """
        manifest = (self.packed or {}).get(_MANIFEST)
        new = self.new(known) or self.files
        return min(file.modified_at for file in [f for f in new if f is not manifest] or new)

    def may_grow(self, known: Mapping[str, Taken], *, now: datetime) -> bool:
        """Whether files beside the new ones are of the time before and may still be replaced."""
        new = self.new(known)
        if not new:
            return False
        newest = max(file.modified_at for file in new)
        manifest = (self.packed or {}).get(_MANIFEST)
        taken = [file for file in self.files if file not in new and file is not manifest]
        earlier = any(newest - file.modified_at > ONE_NIGHT for file in taken)
        return earlier and now - newest < MIXED_WAIT


def parcels(listed: Iterable[Listed], rules: DropRules) -> Sequence[Parcel]:
    """What there is to take, oldest first.

    Of several files with one name in a package the newest counts.
    """
    pattern = re.compile("".join(_MEANS.get(part, re.escape(part)) for part in _parts(rules)))
    packed: dict[str, Listed] = {}
    singles: list[Listed] = []
    for file in sorted(listed, key=lambda one: (one.modified_at, one.name)):
        found = pattern.fullmatch(file.name)
        if found is None or not _is_usable(file.name):
            continue
        if rules.together:
            packed[f"{found['name']}.csv"] = file
        else:
            singles.append(file)
    if packed:
        return [Parcel(files=tuple(packed.values()), packed=packed)]
    return [Parcel(files=(file,)) for file in singles]


def is_finished(
    parcel: Parcel, here: Mapping[str, Listed], before: Mapping[str, Listed], rules: DropRules
) -> bool:
    """Whether nobody writes any file of it any more; `before` is what the last look found.

    A marker older than its file belongs to the file that stood there before.
    """
    if not rules.done_marker:
        return all(before.get(file.name) == file for file in parcel.files)
    return all(
        (marker := here.get(file.name + MARKER)) is not None
        and marker.modified_at >= file.modified_at
        for file in parcel.files
    )


def put_aside_name(file: Listed) -> str:
    """Its name where taken files are moved to: no later one has the same."""
    return f"{file.modified_at:%Y%m%dT%H%M%SZ}-{file.name}"


def _stands(file: Listed, known: Mapping[str, Taken]) -> Taken | None:
    """It as it was taken last, if it is that file."""
    before = known.get(file.name)
    return before if before is not None and before.file == file else None


def _parts(rules: DropRules) -> Sequence[str]:
    return _WILD.split(rules.pattern)


def _is_usable(name: str) -> bool:
    """No marker, no path, and nothing that a log or a table could not hold."""
    plain = name.isprintable() and "/" not in name and len(name) <= _LONGEST_NAME
    return plain and not name.endswith(MARKER)
