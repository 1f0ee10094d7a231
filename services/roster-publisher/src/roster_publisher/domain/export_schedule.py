"""Packages that are written by schedule: which, when, and where one stands. Pure."""

import re
from dataclasses import dataclass
from datetime import datetime, time, timedelta, tzinfo
from typing import Final

from roster_publisher.domain.csv_layout import Mode, Version

AFTER_FAILURE: Final = timedelta(minutes=5)
_PACKAGE: Final = re.compile(
    r"oneroster-1\.[12]-(bulk|delta)-\d{8}T\d{9}Z\.zip|\.oneroster-1\.[12]-(bulk|delta)-.*\.part"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduledExport:
    """Packages for one client in one folder, each day `at` a time of the district or `every` so
    often; the newest `keep` stay.
    """

    district_id: str
    client_id: str
    folder: str
    version: Version
    mode: Mode
    at: time | None = None
    every: timedelta | None = None
    keep: int = 14

    @property
    def name(self) -> str:
        """What it is called among the exports of its client."""
        return f"{self.folder}/{self.version}/{self.mode}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportStanding:
    """Where an export stands: up to which stamp the vendor has everything of which `files`, and
    when that was last so. `generation` rises with each claim.
    """

    since: datetime | None = None
    files: frozenset[str] = frozenset()
    done_at: datetime | None = None
    not_before: datetime | None = None
    generation: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class FilledFolder:
    """Where packages were written for a client."""

    district_id: str
    client_id: str
    folder: str


def is_due(export: ScheduledExport, standing: ExportStanding, now: datetime, zone: tzinfo) -> bool:
    """Whether a package should be written now. A time of day that was missed is made up for."""
    if standing.not_before is not None and now < standing.not_before:
        return False
    if standing.done_at is None:
        return True
    if export.every is not None:
        return now >= standing.done_at + export.every
    return export.at is not None and standing.done_at < _last(export.at, now.astimezone(zone))


def file_name(version: Version, mode: Mode, stamp: datetime) -> str:
    """Names sort as their stamps do."""
    told = f"{stamp:%Y%m%dT%H%M%S}{stamp.microsecond // 1000:03d}Z"
    return f"{file_prefix(version, mode)}{told}.zip"


def is_package(name: str) -> bool:
    """Whether a file of this name is one of ours, or one that is being written."""
    return _PACKAGE.fullmatch(name) is not None


def file_prefix(version: Version, mode: Mode) -> str:
    """What the names of such packages begin with."""
    return f"oneroster-{version}-{mode}-"


def _last(at: time, local: datetime) -> datetime:
    """The last moment at which it was `at` in the zone of `local`."""
    today = datetime.combine(local.date(), at, local.tzinfo)
    return today if today <= local else today - timedelta(days=1)
