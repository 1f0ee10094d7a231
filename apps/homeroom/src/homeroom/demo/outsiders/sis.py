"""A student information system: it signs what it says and posts it to one address."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

import httpx2

from homeroom.demo.outsiders.signing import Accepted, post_signed, stamp
from homeroom.patience import ONCE, Patience, PatientClient

TIMEOUT_S = 10.0


@dataclass(slots=True, kw_only=True)
class Sis:
    """Posts signed changes as one source. Calls may raise `httpx2.HTTPError`."""

    url: str
    source: str
    secret: str
    patience: Patience = ONCE
    _http: httpx2.Client = field(init=False)

    def __post_init__(self) -> None:
        self._http = PatientClient(self.patience, base_url=self.url, timeout=TIMEOUT_S)

    def close(self) -> None:
        self._http.close()

    def send(
        self, kind: str, data: Mapping[str, object], *, message_id: str, at: datetime
    ) -> Accepted:
        """Post one change, such as `users.upserted`; the same `message_id` may be sent again."""
        body = {"type": kind, "occurredAt": stamp(at), "data": data}
        address = f"/webhooks/{self.source}"
        return post_signed(
            self._http, address, body, secret=self.secret, message_id=message_id, at=at
        )
