"""What the OneRoster CSV source can do: snapshots in files of version 1.0, 1.1 and 1.2."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sis_ingest.ports.snapshots import OpenSnapshot, SnapshotLimits
from sis_ingest.ports.sources import SourceSpec
from sis_ingest.sources.oneroster_csv.profiles import PROFILES, Profile
from sis_ingest.sources.oneroster_csv.reader import OneRosterPackage


@dataclass(frozen=True, slots=True, kw_only=True)
class OneRosterCsv:
    """`ports.SnapshotReader`. Without `profile` each package tells its dialect by itself."""

    profile: Profile | None = None

    def open(self, path: Path, *, limits: SnapshotLimits) -> OpenSnapshot:
        """The checked package. Raises `SnapshotRefused` with everything that is wrong with it."""
        return OneRosterPackage(path, limits=limits, profile=self.profile)


SPEC: Final = SourceSpec(
    kind="oneroster_csv",
    title="OneRoster CSV",
    snapshot=OneRosterCsv(),
    profiles={name: OneRosterCsv(profile=profile) for name, profile in PROFILES.items()},
)
