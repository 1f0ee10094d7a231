"""What an operator decides about one target. Pure data."""

from dataclasses import dataclass

from directory_sync.domain.ids import DistrictId, TargetId


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Who gets an account in a target, and how names are made there.

    `roles`: OneRoster roles that give an account. `email_domain`: where allocated addresses live;
    None means that a person without an address in the roster gets none. `time_zone`: IANA name of
    the district's zone, in which dates begin and end. `groups`: kinds of groups kept there.
    `starts_live`: a first connection is applied without asking. `read_every_s`: seconds between
    two readings of the whole target.
    """

    district_id: DistrictId
    target_id: TargetId
    roles: frozenset[str]
    email_domain: str | None
    time_zone: str
    groups: frozenset[str] = frozenset()
    starts_live: bool = False
    read_every_s: float = 86_400.0
