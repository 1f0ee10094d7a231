"""The registry of source kinds: one line per vendor room. A room never imports this."""

from collections.abc import Mapping
from typing import Final

from sis_ingest.ports.sources import SourceSpec
from sis_ingest.sources.generic.spec import SPEC as GENERIC
from sis_ingest.sources.infinite_campus.spec import SPEC as INFINITE_CAMPUS
from sis_ingest.sources.intake.spec import SPEC as INTAKE
from sis_ingest.sources.oneroster_csv.spec import SPEC as ONEROSTER_CSV
from sis_ingest.sources.oneroster_rest.spec import SPEC as ONEROSTER_REST
from sis_ingest.sources.powerschool.spec import SPEC as POWERSCHOOL
from sis_ingest.sources.staff_csv.spec import SPEC as STAFF_CSV

KINDS: Final[Mapping[str, SourceSpec]] = {
    spec.kind: spec
    for spec in (
        GENERIC,
        INFINITE_CAMPUS,
        INTAKE,
        ONEROSTER_CSV,
        ONEROSTER_REST,
        POWERSCHOOL,
        STAFF_CSV,
    )
}
