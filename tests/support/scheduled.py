"""Packages by schedule without their loop: a vendor, its folder, and what a process does there."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from roster_publisher.adapters.package_folder import PackageFolder
from roster_publisher.adapters.postgres.exports import PostgresExports
from roster_publisher.adapters.postgres.vendors import PostgresVendors
from roster_publisher.domain.access import Client, Grant
from roster_publisher.domain.collections import KNOWN_SCOPES
from roster_publisher.domain.export_schedule import ScheduledExport
from roster_publisher.usecases.note_pulls import NotePulls
from roster_publisher.usecases.write_exports import WriteExports
from tests.support.oneroster_records import enrollment, school_world
from tests.support.publishing import Publishing

HOUR = timedelta(hours=1)
DELTAS = ScheduledExport(
    district_id="d1", client_id="v", folder="v", version="1.2", mode="delta", every=HOUR, keep=3
)
WORLD = [*school_world(users=3), ("enrollment", enrollment("e1", user="u001"))]


def writer(publishing: Publishing, folder: Path, *, holder: str = "one") -> WriteExports:
    """What one process has."""
    return WriteExports(
        publishing.export,
        PostgresVendors(publishing.database),
        PostgresExports(publishing.database, holder=holder, lease=timedelta(minutes=2)),
        PackageFolder(folder),
        publishing.clock,
        NotePulls(publishing.audit, publishing.clock),
        zone_of=lambda _district: UTC,
    )


async def granted(
    publishing: Publishing,
    *,
    client_id: str = "v",
    expires_at: datetime | None = None,
    scopes: frozenset[str] = KNOWN_SCOPES,
) -> None:
    """A client of exports."""
    grant = Grant(district_id="d1", client_id=client_id, token_scopes=scopes, expires_at=expires_at)
    client = Client(client_id=client_id, secret_hash="none", grant=grant)
    await PostgresVendors(publishing.database).seed(client, now=publishing.clock.now())


def files(folder: Path, of: str = "v") -> list[str]:
    """What stands in a vendor's folder, by mode and name."""
    return sorted(path.name for path in (folder / of).iterdir())
