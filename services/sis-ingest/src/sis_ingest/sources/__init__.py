"""The registry of source kinds: one line per vendor room. A room never imports this."""

from collections.abc import Mapping
from typing import Final

from sis_ingest.ports import SourceSpec
from sis_ingest.sources.generic import spec as generic
from sis_ingest.sources.oneroster_csv import spec as oneroster_csv

KINDS: Final[Mapping[str, SourceSpec]] = {
    spec.kind: spec
    for spec in (
        generic.SPEC,
        oneroster_csv.SPEC,
    )
}
