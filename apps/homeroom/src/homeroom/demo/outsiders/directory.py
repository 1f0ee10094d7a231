"""Somebody who looks into the directory itself, over SCIM 2.0, past everything of ours.

Source: RFC 7644 sections 3.4.1 and 3.4.2 (reading, counting and filtering).
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2

from homeroom.patience import ONCE, Patience, PatientClient

TIMEOUT_S = 30.0
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
PAGE = 500

# What SCIM says of one account or group.
Account = dict[str, Any]


@dataclass(slots=True, kw_only=True)
class Directory:
    """Reads one SCIM service with a bearer token. Calls may raise `httpx2.HTTPError`."""

    url: str
    token: str
    patience: Patience = ONCE
    requests: int = 0
    _http: httpx2.Client = field(init=False)

    def __post_init__(self) -> None:
        headers = {"Authorization": f"Bearer {self.token}"}
        self._http = PatientClient(
            self.patience, base_url=self.url.rstrip("/"), headers=headers, timeout=TIMEOUT_S
        )

    def close(self) -> None:
        self._http.close()

    def total(self, path: str = "/Users") -> int:
        """How many accounts there are, or groups; asks for none, because the server scans."""
        return int(self._read(path, count="0")["totalResults"])

    def by_external_id(self, external_id: str) -> Account | None:
        """Return the account that carries our person's id; scans, so do not ask in a tight loop.

        Raises ValueError if two accounts carry it: one person, one account.
        """
        found = self._read("/Users", filter=f'externalId eq "{external_id}"')
        accounts: list[Account] = found.get("Resources", [])
        if len(accounts) > 1:
            message = f"{len(accounts)} accounts carry one externalId"
            raise ValueError(message)
        return accounts[0] if accounts else None

    def account(self, account_id: str) -> Account:
        """Return one account by the directory's own id: cheap for the server."""
        return self._read(f"/Users/{account_id}")

    def accounts(self) -> Iterator[Account]:
        """Yield every account, page by page."""
        return self._pages("/Users")

    def groups(self) -> Iterator[Account]:
        """Yield every group with its members, page by page."""
        return self._pages("/Groups")

    def group(self, external_id: str) -> Account | None:
        """Return the group that carries our key, with its members; None if there is none."""
        found = self._read("/Groups", filter=f'externalId eq "{external_id}"')
        groups: list[Account] = found.get("Resources", [])
        if len(groups) > 1:
            message = f"{len(groups)} groups carry one externalId"
            raise ValueError(message)
        return groups[0] if groups else None

    def describe(self) -> Account:
        """Return what the server says of itself."""
        return self._read("/ServiceProviderConfig")

    def _pages(self, path: str) -> Iterator[Account]:
        """Follow the pages (RFC 7644 section 3.4.2.4; the first index is 1)."""
        start, total = 1, 1
        while start <= total:
            page = self._read(path, startIndex=str(start), count=str(PAGE))
            found: list[Account] = page.get("Resources", [])
            yield from found
            total = int(page["totalResults"])
            start += max(len(found), 1)

    def _read(self, path: str, **query: str) -> Account:
        self.requests += 1
        answer = self._http.get(path, params=query)
        answer.raise_for_status()
        body: Account = answer.json()
        return body


def requests_by_method(access_log: Path) -> dict[str, int]:
    """Count the requests in the access log that the directory wrote itself."""
    seen: Counter[str] = Counter()
    with access_log.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            seen.update(method for method in METHODS if f'"{method} ' in line)
    return dict(seen)


def writes(access_log: Path) -> int:
    """Count the requests in the directory's own log that may have changed something."""
    return sum(n for method, n in requests_by_method(access_log).items() if method != "GET")
