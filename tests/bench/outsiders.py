"""Those outside of an installation, at next to no cost for themselves: a vendor, a SIS, a SCIM client.

Source: as the demo's outsiders, which say more and cost more.
"""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from time import perf_counter
from typing import Any
from urllib.parse import quote, urlencode

import orjson
from standardwebhooks.webhooks import Webhook

from homeroom.demo.outsiders.vendor import BASE_PATH, SCOPES
from homeroom.installation import SOURCE, VENDOR, VENDOR_SECRET, WEBHOOK_SECRET
from homeroom.services import DIRECTORY_SYNC, ROSTER_PUBLISHER, SIS_INGEST
from tests.bench.exchange import Answer, Exchange, request
from tests.bench.installed import Installed
from tests.bench.measuring import Stalled

Json = dict[str, Any]
SENDERS = 8


def now_text() -> str:
    """This moment as OneRoster writes it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass(slots=True, kw_only=True)
class Vendor:
    """Reads OneRoster pages on one connection."""

    home: Installed
    _token: str = ""
    _line: Exchange | None = None

    async def page(self, path: str) -> Json:
        """The body of one page; `path` begins with the collection."""
        found: Json = orjson.loads((await self._read(path)).body)
        return found

    async def drain(self, path: str) -> int:
        """Take one page and throw it away; returns its bytes."""
        return len((await self._read(path)).body)

    async def total(self, collections: Sequence[str], *, since: str | None = None) -> int:
        """Rows of these collections, or those newer than a watermark, by X-Total-Count."""
        query = "limit=1"
        if since is not None:
            query += "&filter=" + quote(f"dateLastModified>'{since}'")
        answers = [await self._read(f"{name}?{query}") for name in collections]
        return sum(int(answer.headers["x-total-count"]) for answer in answers)

    async def _read(self, path: str) -> Answer:
        if self._line is None:
            self._line = Exchange(self.home.port(ROSTER_PUBLISHER))
            self._token = await self._fetch_token(self._line)
        answer = await self._line.send(
            request(
                "GET", f"{BASE_PATH}/{path}", headers={"authorization": f"Bearer {self._token}"}
            )
        )
        if answer.status != 200:
            raise Stalled(f"a vendor's page was answered with {answer.status}")
        return answer

    async def _fetch_token(self, line: Exchange) -> str:
        form = urlencode(
            {
                "grant_type": "client_credentials",
                "client_id": VENDOR,
                "client_secret": VENDOR_SECRET,
                "scope": " ".join(SCOPES),
            }
        )
        headers = {"content-type": "application/x-www-form-urlencoded"}
        answer = await line.send(
            request("POST", "/oauth2/token", headers=headers, body=form.encode())
        )
        return str(orjson.loads(answer.body)["access_token"])

    def close(self) -> None:
        """Give the connection back."""
        if self._line is not None:
            self._line.close()


@dataclass(slots=True, kw_only=True)
class Sender:
    """Sends signed changes to a timetable, on a few connections."""

    home: Installed

    async def send(self, asked: Sequence[bytes], *, began: float, per_s: float) -> None:
        """Send each at its time, whether or not the others were answered. Raises `Stalled`."""
        lines = [Exchange(self.home.port(SIS_INGEST)) for _ in range(SENDERS)]

        async def one_line(line: Exchange, first: int) -> None:
            for number in range(first, len(asked), SENDERS):
                await asyncio.sleep(max(0.0, began + number / per_s - perf_counter()))
                answer = await line.send(asked[number])
                if answer.status != 202:
                    raise Stalled(f"a webhook was answered with {answer.status}")

        try:
            await asyncio.gather(*(one_line(line, first) for first, line in enumerate(lines)))
        finally:
            for line in lines:
                line.close()


def renaming(user: Mapping[str, Any], family_name: str, *, number: int) -> bytes:
    """A signed request that says a user, as served to vendors, has another family name."""
    kept = {key: value for key, value in user.items() if key != "dateLastModified"}
    moment, at = now_text(), datetime.now(UTC)
    change = {
        "type": "users.upserted",
        "occurredAt": moment,
        "data": {**kept, "familyName": family_name},
    }
    body, message_id = json.dumps(change), f"msg_bench_{number}_{moment}"
    headers = {
        "content-type": "application/json",
        "webhook-id": message_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(WEBHOOK_SECRET).sign(message_id, at, body),
    }
    return request("POST", f"/webhooks/{SOURCE}", headers=headers, body=body.encode())


@dataclass(slots=True, kw_only=True)
class Directory:
    """Looks into the SCIM directory itself; our account ids come from our own page."""

    home: Installed
    _lines: dict[int, Exchange] = field(default_factory=dict)

    async def accounts(self) -> int:
        """How many accounts there are."""
        return int((await self._scim("/Users?count=0"))["totalResults"])

    async def family_name(self, account_id: str) -> str:
        """Of one account."""
        return str((await self._scim(f"/Users/{account_id}"))["name"]["familyName"])

    async def account_of(self, person_id: str) -> str:
        """The directory's own id of a person's account."""
        line = self._line(self.home.port(DIRECTORY_SYNC))
        headers = {"authorization": f"Bearer {self.home.operator.token}"}
        answer = await line.send(request("GET", f"/accounts/{person_id}", headers=headers))
        return str(orjson.loads(answer.body)["accounts"][0]["accountId"])

    async def _scim(self, path: str) -> Json:
        line = self._line(self.home.ports.scim)
        headers = {"authorization": f"Bearer {self.home.scim.token}"}
        answer = await line.send(request("GET", f"/v2{path}", headers=headers))
        found: Json = orjson.loads(answer.body)
        return found

    def _line(self, port: int) -> Exchange:
        if port not in self._lines:
            self._lines[port] = Exchange(port)
        return self._lines[port]

    def close(self) -> None:
        """Give the connections back."""
        for line in self._lines.values():
            line.close()
