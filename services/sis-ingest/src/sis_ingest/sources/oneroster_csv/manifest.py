"""manifest.csv: the version, and which files there are. Source: CSV binding, manifest.

OneRoster 1.0 has no manifest: what stands in the package is stated then, and a file whose rows
carry neither status nor date is whole.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from roster_common.csv_formulas import SYSTEM_CODE
from sis_ingest.domain.runs import Problem
from sis_ingest.ports.snapshots import SnapshotRefused
from sis_ingest.sources.oneroster_csv.archive import Archive, BadCsv, printable
from sis_ingest.sources.oneroster_csv.layout import MANIFEST
from sis_ingest.sources.oneroster_csv.profiles import PROFILES, Profile

Mode = Literal["bulk", "delta"]

_HEADER: Final = ["propertyName", "value"]
_MODES: Final[Mapping[str, Mode]] = {"bulk": "bulk", "delta": "delta"}
_ABSENT: Final = ("absent", "")
_VERSION: Final = "oneroster.version"
_PLAIN: Final = frozenset({"manifest.version", _VERSION, "source.systemName", "source.systemCode"})
_ONLY_IN_DELTA: Final = ("status", "dateLastModified")


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """`modes` holds the files that are stated, by name without ending, also those never read.

    `ours`: a package that roster-publisher wrote.
    """

    version: str | None
    modes: Mapping[str, Mode]
    ours: bool = False
    warnings: Sequence[Problem] = ()

    def states(self, name: str) -> bool:
        """Whether the package states this file."""
        return name in self.modes


def read_manifest(archive: Archive, *, profile: Profile | None) -> Manifest:
    """What the package states; every stated file that we read is there.

    Raises `SnapshotRefused`. `profile` is what the source is set to, if it is.
    """
    if MANIFEST not in archive:
        return _without(archive, profile)
    properties = _properties(archive)
    version = properties.get(_VERSION, "")
    if version not in PROFILES:
        raise SnapshotRefused([Problem(code="unknown_version", file=MANIFEST, column=_VERSION)])
    modes = _modes(properties)
    read = [file for file in (profile or PROFILES[version]).all_files if file.name in modes]
    problems = [
        Problem(code="missing_file", file=file.file) for file in read if file.file not in archive
    ]
    if not read:
        problems.append(Problem(code="nothing_stated", file=MANIFEST))
    if problems:
        raise SnapshotRefused(problems)
    odd = [
        Problem(code="unknown_property", file=MANIFEST, column=printable(name))
        for name in properties
        if name not in _PLAIN and not name.startswith("file.")
    ]
    unread = [
        Problem(code="unread_file", file=printable(name))
        for name in archive.names
        if name != MANIFEST and name.removesuffix(".csv") not in modes
    ]
    ours = properties.get("source.systemCode") == SYSTEM_CODE
    return Manifest(version=version, modes=modes, ours=ours, warnings=(*odd, *unread))


def _without(archive: Archive, profile: Profile | None) -> Manifest:
    files = (profile or PROFILES["1.0"]).all_files
    modes = {file.name: _mode(archive, file.file) for file in files if file.file in archive}
    if not modes:
        raise SnapshotRefused([Problem(code="missing_file", file=MANIFEST)])
    return Manifest(version=None, modes=modes)


def _mode(archive: Archive, file: str) -> Mode:
    """By the rows; a file that cannot be read to its end must not be taken for whole."""
    rows = archive.rows(file)
    try:
        _, _, header = next(rows, (0, 0, []))
        places = [at for at, name in enumerate(header) if name.strip() in _ONLY_IN_DELTA]
        filled = any(cells[at].strip() for _, _, cells in rows for at in places if at < len(cells))
    except BadCsv:
        return "delta"
    return "delta" if filled else "bulk"


def _modes(properties: Mapping[str, str]) -> Mapping[str, Mode]:
    modes: dict[str, Mode] = {}
    problems: list[Problem] = []
    for name, value in properties.items():
        given = value.lower()
        if not name.startswith("file.") or given in _ABSENT:
            continue
        if given in _MODES:
            modes[name.removeprefix("file.")] = _MODES[given]
        else:
            problems.append(Problem(code="unknown_mode", file=MANIFEST, column=name[:100]))
    if problems:
        raise SnapshotRefused(problems)
    return modes


def _properties(archive: Archive) -> Mapping[str, str]:
    found: dict[str, str] = {}
    try:
        for number, _read_to, cells in archive.rows(MANIFEST):
            if number == 1:
                if cells != _HEADER:
                    raise SnapshotRefused([Problem(code="wrong_header", file=MANIFEST, row=1)])
                continue
            if len(cells) != len(_HEADER):
                raise BadCsv("ragged_row", row=number)
            found[cells[0].strip()] = cells[1].strip()
    except BadCsv as error:
        raise SnapshotRefused([Problem(code=error.code, file=MANIFEST, row=error.row)]) from None
    return found
