"""`Subscriptions` as the settings gave them at the start."""

from collections.abc import Sequence

from roster_publisher.domain.webhooks import Subscription


class ConfiguredSubscriptions:
    """`every` has each client once."""

    def __init__(self, every: Sequence[Subscription]) -> None:
        self.every = sorted(every, key=lambda one: (one.district_id, one.client_id))

    def of_district(self, district_id: str) -> Sequence[Subscription]:
        """Those of a district, by client id."""
        return [one for one in self.every if one.district_id == district_id]

    def find(self, district_id: str, client_id: str) -> Subscription | None:
        """One, or None."""
        found = (one for one in self.of_district(district_id) if one.client_id == client_id)
        return next(found, None)
