"""One list of deliberate breaches per import contract of pyproject.toml, named as there.

Each breach is a new module, so that renaming our own modules touches nothing here.
"""

from dataclasses import dataclass
from pathlib import PurePosixPath

_ROOTS = {
    "roster_common": "libs/common/src",
    "sis_ingest": "services/sis-ingest/src",
    "roster_publisher": "services/roster-publisher/src",
    "directory_sync": "services/directory-sync/src",
    "ticket_events": "services/ticket-events/src",
    "homeroom": "apps/homeroom/src",
    "sis_emulators": "apps/emulators/src",
}
_HEADING = '"""A deliberate breach."""\n\n'
_IMPORT_LINE = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Breach:
    """Module `module` comes to be and imports `imports`, or merely stands in the wrong place."""

    module: str
    imports: str | None = None

    @property
    def path(self) -> PurePosixPath:
        """The file of the new module, from the root of the workspace."""
        package, _, _ = self.module.partition(".")
        return PurePosixPath(_ROOTS[package], *self.module.split(".")).with_suffix(".py")

    @property
    def text(self) -> str:
        """What stands in the file."""
        return _HEADING if self.imports is None else f"{_HEADING}import {self.imports}\n"

    @property
    def expected(self) -> str:
        """How the report names it: with its line, where an import is to blame."""
        if self.imports is None:
            return self.module
        return f"{self.module} -> {self.imports} (l.{_IMPORT_LINE})"


def _breach(module: str, imports: str | None = None) -> Breach:
    return Breach(module=module, imports=imports)


BREACHES: dict[str, tuple[Breach, ...]] = {
    "the command stands on services, services on libs/common, never on one another": (
        _breach("sis_ingest.domain.breach", "directory_sync.domain"),
        _breach("ticket_events.adapters.breach", "roster_publisher.adapters"),
        _breach("directory_sync.entrypoints.breach", "homeroom"),
        _breach("roster_common.testkit.breach", "ticket_events.domain"),
    ),
    "libs/common: runtime above ports above the floor": (
        _breach("roster_common.contracts.breach", "roster_common.ports"),
        _breach("roster_common.runtime.breach", "roster_common.testkit.clock"),
        _breach("roster_common.helpers"),
    ),
    "rooms inside a service": (
        _breach("sis_ingest.usecases.breach", "sis_ingest.entrypoints"),
        _breach("roster_publisher.domain.breach", "roster_publisher.ports"),
        _breach("directory_sync.entrypoints.breach", "directory_sync.adapters"),
        _breach("ticket_events.desks.generic.breach", "ticket_events.adapters"),
        _breach("ticket_events.helpers"),
    ),
    "only doors call use cases": (
        _breach("sis_ingest.sources.generic.breach", "sis_ingest.usecases"),
        _breach("directory_sync.targets.scim.breach", "directory_sync.usecases"),
        _breach("ticket_events.desks.generic.breach", "ticket_events.usecases"),
        _breach("roster_publisher.adapters.breach", "roster_publisher.usecases"),
    ),
    "vendor rooms do not know one another": (
        _breach("sis_ingest.sources.generic.breach", "sis_ingest.sources.oneroster_csv"),
    ),
    "pure rooms do no I/O": (
        _breach("sis_ingest.domain.breach", "asyncio"),
        _breach("roster_publisher.domain.breach", "asyncpg"),
        _breach("directory_sync.domain.breach", "time"),
        _breach("ticket_events.domain.breach", "roster_common.runtime"),
        _breach("roster_common.contracts.breach", "os"),
        _breach("sis_ingest.sources.breach.normalise", "httpx2"),
        _breach("directory_sync.targets.breach.desired", "random"),
    ),
    "wire models and drivers stop at the door": (
        _breach("sis_ingest.usecases.breach", "roster_common.contracts.codec"),
        _breach("roster_publisher.usecases.breach", "roster_common.runtime.database"),
        _breach("directory_sync.usecases.breach", "asyncpg"),
        _breach("ticket_events.usecases.breach", "httpx2"),
    ),
    # Only in roster-publisher: the others' settings know the registry of vendor rooms, so a breach
    # there breaks the walls between rooms as well.
    "only bootstrap reads settings": (
        _breach("roster_publisher.adapters.breach", "roster_publisher.settings"),
        _breach("roster_publisher.entrypoints.breach", "roster_publisher.settings"),
    ),
    "the box knows no story told with it": (
        _breach("homeroom.parts.breach", "homeroom.demo.outsiders.office"),
    ),
    "emulators know nothing of the product": (
        _breach("sis_emulators.office.breach", "roster_common.errors"),
    ),
    "the product knows nothing of emulators": (
        _breach("sis_ingest.domain.breach", "sis_emulators"),
    ),
    "faces of emulators do not know one another": (
        _breach("sis_emulators.powerschool.breach", "sis_emulators.oneroster"),
    ),
}
