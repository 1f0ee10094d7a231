"""Header profiles: what a dialect calls its columns, and which dialect a package speaks. Pure.

Source: CSV binding 1.0 against 1.1; misspellings as exports in the wild have them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from sis_ingest.sources.oneroster_csv.layout import FILES_10, FILES_11, FILES_12, ROLES, File

Headers = Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """One dialect. `renames` holds, by file, other names of columns and the official ones."""

    name: str
    files: tuple[File, ...]
    roles_apart: bool = False
    renames: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @property
    def all_files(self) -> tuple[File, ...]:
        """The collections, and the file that is joined to one of them."""
        return (*self.files, ROLES) if self.roles_apart else self.files


_OF_1_0: Final = Profile(
    name="1.0",
    files=FILES_10,
    renames={
        "courses": {"grade": "grades", "schoolYearId": "schoolYearSourcedId"},
        "classes": {"grade": "grades", "termSourcedId": "termSourcedIds"},
        "users": {"grade": "grades", "agents": "agentSourcedIds"},
        "demographics": {"userSourcedId": "sourcedId", "birthdate": "birthDate"},
    },
)
PROFILES: Final[Mapping[str, Profile]] = {
    one.name: one
    for one in (
        _OF_1_0,
        Profile(name="1.1", files=FILES_11),
        Profile(name="1.2", files=FILES_12, roles_apart=True),
    )
}
# Files that some dialect has and we read.
READ: Final = frozenset(file.name for one in PROFILES.values() for file in one.all_files)
_MISSPELT: Final[Mapping[str, str]] = {
    "dataLastModified": "dateLastModified",
    "prefferedGivenName": "preferredGivenName",
    "prefferedMiddleName": "preferredMiddleName",
    "prefferedFamilyName": "preferredFamilyName",
}


def spoken(headers: Headers, *, version: str | None) -> Profile | None:
    """The dialect of these headers, by file; None where neither they nor the manifest tell.

    Packages that say they are 1.1 often have the columns of 1.0. Where there are users, theirs
    decide: 1.0 has no switch of an account, and a 1.1 file that lost it must not switch all on.
    """
    telling = {"users": headers["users"]} if "users" in headers else headers
    if version != "1.2" and any(_is_of_1_0(name, header) for name, header in telling.items()):
        return _OF_1_0
    return None if version is None else PROFILES[version]


def official(file: File, header: Sequence[str], profile: Profile) -> list[str]:
    """Each column by its official name; as it stands where its meaning is not plain.

    Capitals do not count. A name that stands in the header itself is given to no other column.
    """
    meant = {name.lower(): name for name in file.known}
    for other, name in {**_MISSPELT, **profile.renames.get(file.name, {})}.items():
        if name in file.known:
            meant.setdefault(other.lower(), name)
    found = ((name, meant.get(name.lower(), name)) for name in header)
    return [given if name in header else name for given, name in found]


def misnamed(header: Sequence[str], names: Sequence[str], profile: Profile) -> list[str]:
    """Columns that were taken for another name, and not because the dialect calls them so."""
    own = {other for renames in profile.renames.values() for other in renames}
    return [
        given
        for given, name in zip(header, names, strict=True)
        if given != name and given not in own
    ]


def _is_of_1_0(name: str, header: Sequence[str]) -> bool:
    renames = _OF_1_0.renames.get(name, {})
    own = name == "users" and "userId" in header and "userIds" not in header
    return own or any(other in header and name not in header for other, name in renames.items())
