"""The school office of an emulated SIS: what a clerk types there, and what it then has.

The back door of the emulator, which no live system has; what we read goes through its front.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx2

from homeroom.emulated import Emulated
from homeroom.errors import CommandFailed

TIMEOUT_S = 30.0
EVERYTHING = 1_000_000

Record = Mapping[str, Any]


@dataclass(slots=True, kw_only=True)
class Office:
    """One emulator's clerk. Calls may raise `httpx2.HTTPError`."""

    emulated: Emulated
    _http: httpx2.Client = field(init=False)

    def __post_init__(self) -> None:
        self._http = httpx2.Client(base_url=self.emulated.told["url"], timeout=TIMEOUT_S)

    def close(self) -> None:
        self._http.close()

    def type(self, deed: str, **fields: object) -> list[Record]:
        """Do a deed, such as `students/5/withdraw`; the records it touched."""
        answer = self._http.post(f"/_clerk/{deed}", json=fields)
        answer.raise_for_status()
        records: list[Record] = answer.json()["records"]
        return records

    def all(self, table: str) -> list[Record]:
        """Everything of a table that is not struck."""
        answer = self._http.get(f"/_clerk/{table}", params={"limit": EVERYTHING})
        answer.raise_for_status()
        return [one for one in answer.json()["records"] if not one["gone"]]

    def number(self, table: str, our_id: str) -> int:
        """The office's own number of a record that we know by our id."""
        for record in self.all(table):
            if self.emulated.our_id(record) == our_id:
                return int(record["dcid"])
        raise CommandFailed(f"the office has no record for {our_id}")

    def ids(self, records: Iterable[Record]) -> set[str]:
        """Our ids of records that are shown to us."""
        return {found for one in records if (found := self.emulated.our_id(one)) is not None}

    def enrolled(self) -> set[str]:
        """Our ids of the students who are there and are shown to us."""
        return self.ids(one for one in self._shown() if one["status"] == 0)

    def withdraw(self, share: float) -> list[Record]:
        """Withdraw that share of all students, whoever they are; those of them whom we know."""
        before = {int(one["dcid"]) for one in self._shown() if one["status"] == 0}
        self.type("withdraw", share=share)
        return [one for one in self._shown() if one["status"] != 0 and int(one["dcid"]) in before]

    def lose_notifications(self) -> None:
        """None arrives from now on."""
        faults = {"faults": [{"kind": "lose", "times": None}]}
        self._http.put("/_faults", json=faults).raise_for_status()

    def _shown(self) -> list[Record]:
        """The students whom the product shows: Campus only those with an account, no no-shows."""
        students = self.all("students")
        if self.emulated.face == "infinitecampus":
            return [one for one in students if one["portal"] and not one["no_show"]]
        return students

    def evidence(self) -> dict[str, Any]:
        """What the emulator counted itself."""
        found: dict[str, Any] = self._http.get("/_evidence").raise_for_status().json()
        return found
