"""The headers of a package: its dialect, its columns by their official names, and what is wrong.

Blocking; runs in a thread.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sis_ingest.domain.runs import Problem
from sis_ingest.ports.snapshots import SnapshotRefused
from sis_ingest.sources.oneroster_csv.archive import Archive, BadCsv
from sis_ingest.sources.oneroster_csv.layout import MANIFEST, File, is_metadata
from sis_ingest.sources.oneroster_csv.manifest import Manifest
from sis_ingest.sources.oneroster_csv.profiles import (
    READ,
    Headers,
    Profile,
    misnamed,
    official,
    spoken,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """How a package is laid out. `headers` holds official names, by file name without ending."""

    profile: Profile
    headers: Headers
    warnings: Sequence[Problem]


def read_layout(archive: Archive, manifest: Manifest, *, profile: Profile | None) -> Layout:
    """The layout; `profile` is what the source is set to, else the headers tell.

    Raises `SnapshotRefused` with every file and column that is missing or stands twice.
    """
    headers = _stated(archive, manifest)
    profile = profile or spoken(headers, version=manifest.version)
    if profile is None:
        raise SnapshotRefused([Problem(code="missing_file", file=MANIFEST)])
    warnings = list(manifest.warnings)
    if profile.name != manifest.version:
        warnings.append(Problem(code=f"read_as_{profile.name.replace('.', '_')}"))
    problems: list[Problem] = []
    named: dict[str, Sequence[str]] = {}
    for file in profile.all_files:
        header = headers.get(file.name)
        if header is None:
            continue
        if not header:
            problems.append(Problem(code="empty_file", file=file.file))
            continue
        names = official(file, header, profile)
        problems += _faults(file, names)
        warnings += _odd(file, header, names, profile)
        named[file.name] = names
    if problems:
        raise SnapshotRefused(problems)
    return Layout(profile=profile, headers=named, warnings=tuple(warnings))


def _stated(archive: Archive, manifest: Manifest) -> Mapping[str, Sequence[str]]:
    """Header of each stated file that is there, blank names at its end cut; none when empty."""
    headers: dict[str, Sequence[str]] = {}
    problems: list[Problem] = []
    for name in manifest.modes:
        file = f"{name}.csv"
        if name not in READ or file not in archive:
            continue
        try:
            _, _, cells = next(archive.rows(file), (0, 0, []))
        except BadCsv as error:
            problems.append(Problem(code=error.code, file=file, row=error.row))
            continue
        header = [cell.strip() for cell in cells]
        while header and not header[-1]:
            header.pop()
        headers[name] = header
    if problems:
        raise SnapshotRefused(problems)
    return headers


def _faults(file: File, names: Sequence[str]) -> list[Problem]:
    missing = [name for name in file.must_have if name not in names]
    repeated = sorted({name for name in names if name and names.count(name) > 1})
    return [Problem(code="missing_column", file=file.file, row=1, column=n) for n in missing] + [
        Problem(code="repeated_column", file=file.file, row=1, column=n[:100]) for n in repeated
    ]


def _odd(
    file: File, header: Sequence[str], names: Sequence[str], profile: Profile
) -> list[Problem]:
    unknown = [name for name in names if name not in file.known and not is_metadata(name)]
    found = [("unknown_column", name) for name in unknown]
    found += [("misnamed_column", name) for name in misnamed(header, names, profile)]
    return [Problem(code=code, file=file.file, row=1, column=name[:100]) for code, name in found]
