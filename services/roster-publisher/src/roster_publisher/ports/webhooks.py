"""What telling vendors needs: where each subscription stands, and a way to its receiver."""

from collections.abc import Sequence
from typing import Protocol

from roster_publisher.domain.webhooks import Message, NotSent, Sent, Standing, Subscription


class Standings(Protocol):
    """Where subscriptions stand. Each call is its own transaction."""

    async def of(self, subscription: Subscription) -> Standing:
        """As it stands; at the beginning for one never seen."""
        ...

    async def claim(self, subscription: Subscription, standing: Standing) -> Standing | None:
        """Take it to make one call, and keep its `until`; None when another process does, or it
        has moved on.

        A claim ends by itself some seconds after the longest call.
        """
        ...

    async def keep(self, subscription: Subscription, standing: Standing) -> bool:
        """Write what came of a claim and end it. False when it has moved on meanwhile."""
        ...

    async def replay(self, subscription: Subscription, cursor: str | None) -> Standing:
        """Go back to `cursor`, or to the beginning; a call that is out comes to nothing."""
        ...


class Receivers(Protocol):
    """The vendors' side."""

    async def send(self, subscription: Subscription, message: Message) -> Sent | NotSent:
        """Make one signed call, within a bound. Never raises for what the receiver does."""
        ...


class Subscriptions(Protocol):
    """Who wants to be told."""

    def of_district(self, district_id: str) -> Sequence[Subscription]:
        """Those of a district, by client id."""
        ...

    def find(self, district_id: str, client_id: str) -> Subscription | None:
        """One, or None."""
        ...
