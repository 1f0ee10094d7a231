"""What this room offers to the rest of the service."""

from typing import Final

from directory_sync.ports import TargetSpec
from directory_sync.targets.scim.client import ScimTarget
from directory_sync.targets.scim.desired import desired
from directory_sync.targets.scim.groups import ScimGroups

SPEC: Final = TargetSpec(
    kind="scim", desired=desired, connect=ScimTarget, connect_groups=ScimGroups
)
