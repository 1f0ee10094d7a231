"""manifest.csv: the version, and which files there are. Source: CSV binding, manifest."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from sis_ingest.domain.runs import Problem
from sis_ingest.ports import SnapshotRefused
from sis_ingest.sources.oneroster_csv.archive import Archive, BadCsv
from sis_ingest.sources.oneroster_csv.layout import FILES, MANIFEST, ROLES, VERSIONS, Version

_HEADER: Final = ["propertyName", "value"]
_MODES: Final[Mapping[str, Literal["bulk", "delta"]]] = {"bulk": "bulk", "delta": "delta"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """`modes` holds the files that are there, by name without ending."""

    version: Version
    modes: Mapping[str, Literal["bulk", "delta"]]

    def states(self, name: str) -> bool:
        """Whether the package states this file."""
        return name in self.modes


def read_manifest(archive: Archive) -> Manifest:
    """The manifest, with every file it states present. Raises `SnapshotRefused`."""
    if MANIFEST not in archive:
        raise SnapshotRefused([Problem(code="missing_file", file=MANIFEST)])
    properties = _properties(archive)
    version = VERSIONS.get(properties.get("oneroster.version", ""))
    if version is None:
        raise SnapshotRefused(
            [Problem(code="unknown_version", file=MANIFEST, column="oneroster.version")]
        )
    problems: list[Problem] = []
    modes: dict[str, Literal["bulk", "delta"]] = {}
    names = [file.name for file in FILES[version]] + ([ROLES.name] if version == "1.2" else [])
    for name in names:
        given = properties.get(f"file.{name}", "absent").lower()
        if given in _MODES:
            modes[name] = _MODES[given]
            if f"{name}.csv" not in archive:
                problems.append(Problem(code="missing_file", file=f"{name}.csv"))
        elif given not in ("absent", ""):
            problems.append(Problem(code="unknown_mode", file=MANIFEST, column=f"file.{name}"))
    if not modes:
        problems.append(Problem(code="nothing_stated", file=MANIFEST))
    if problems:
        raise SnapshotRefused(problems)
    return Manifest(version=version, modes=modes)


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
