"""Vendor rooms, and the one line per room that makes a kind of directory known."""

from collections.abc import Mapping
from typing import Final

from directory_sync.ports import TargetSpec
from directory_sync.targets.scim.spec import SPEC as SCIM

TARGETS: Final[Mapping[str, TargetSpec]] = {spec.kind: spec for spec in (SCIM,)}
