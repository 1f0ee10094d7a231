"""Ids that must not be swapped. Pure."""

from typing import NewType

DistrictId = NewType("DistrictId", str)
TargetId = NewType("TargetId", str)
PersonId = NewType("PersonId", str)
