"""The registry of desk kinds: one line per vendor room. A room never imports this."""

from collections.abc import Mapping
from typing import Final

from ticket_events.desks.generic.spec import SPEC as GENERIC
from ticket_events.ports import DeskSpec

KINDS: Final[Mapping[str, DeskSpec]] = {spec.kind: spec for spec in (GENERIC,)}
