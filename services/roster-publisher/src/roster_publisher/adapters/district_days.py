"""Which day it is in a district's time zone."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from roster_common.errors import Fatal


class DistrictDays:
    """Zones by district, with one for the rest. Raises `Fatal` at start for an unknown zone."""

    def __init__(self, default: str, by_district: Mapping[str, str]) -> None:
        self._default = _zone(default)
        self._zones = {district: _zone(name) for district, name in by_district.items()}

    def __call__(self, district_id: str, now: datetime) -> date:
        """The date in the district at `now`."""
        return now.astimezone(self.zone(district_id)).date()

    def zone(self, district_id: str) -> tzinfo:
        """The zone of the district."""
        return self._zones.get(district_id, self._default)


def _zone(name: str) -> tzinfo:
    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise Fatal(
            "a time zone in HOMEROOM_TIME_ZONE or HOMEROOM_TIME_ZONES is unknown"
        ) from error
