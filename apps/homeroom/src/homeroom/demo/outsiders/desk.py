"""A help desk of the district: it signs what became of a ticket and posts it to one address."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

import httpx2

from homeroom.demo.outsiders.signing import Accepted, post_signed, stamp
from homeroom.patience import ONCE, Patience, PatientClient

TIMEOUT_S = 10.0


@dataclass(slots=True, kw_only=True)
class Desk:
    """Posts signed facts of tickets as one desk. Calls may raise `httpx2.HTTPError`."""

    url: str
    desk: str
    secret: str
    patience: Patience = ONCE
    _http: httpx2.Client = field(init=False)

    def __post_init__(self) -> None:
        self._http = PatientClient(self.patience, base_url=self.url, timeout=TIMEOUT_S)

    def close(self) -> None:
        self._http.close()

    def send(
        self, kind: str, ticket: Mapping[str, object], *, message_id: str, at: datetime
    ) -> Accepted:
        """Post one fact, such as `ticket.created`; the same `message_id` may be sent again."""
        body = {"type": kind, "occurredAt": stamp(at), "ticket": ticket}
        address = f"/webhooks/{self.desk}"
        return post_signed(
            self._http, address, body, secret=self.secret, message_id=message_id, at=at
        )
