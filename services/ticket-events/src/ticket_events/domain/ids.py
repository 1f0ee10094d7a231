"""Ids that must not be swapped. Pure."""

from typing import NewType

DistrictId = NewType("DistrictId", str)
PersonId = NewType("PersonId", str)
RequestId = NewType("RequestId", str)
DeviceId = NewType("DeviceId", str)
