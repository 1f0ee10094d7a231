"""Emulated SISs as processes of their own, with their back door: clerk, faults, evidence."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
from oauthlib.oauth1 import Client as Signer

from tests.support.processes import READY_TIMEOUT_S, Program, start_program

SCOPES = " ".join(
    f"https://purl.imsglobal.org/spec/or/{version}/scope/{name}.readonly"
    for version in ("v1p1", "v1p2")
    for name in ("roster-core", "roster-demographics")
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Emulator:
    """A running one. `told` is its credentials file."""

    program: Program
    told: dict[str, str]
    client: httpx2.Client

    @property
    def url(self) -> str:
        return self.told["url"]

    def do(self, deed: str, **fields: Any) -> dict[str, Any]:
        """A deed of the clerk, such as `students/5/withdraw`; its answer."""
        answer = self.client.post(f"{self.url}/_clerk/{deed}", json=fields)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def truth(self, what: str = "", **query: Any) -> dict[str, Any]:
        """What the office has: `students`, `students/5`, or the summary."""
        path = f"{self.url}/_clerk/{what}" if what else f"{self.url}/_clerk"
        return self.client.get(path, params=query).json()

    def fault(self, kind: str, **how: Any) -> None:
        """Puts this one fault in force."""
        answer = self.client.put(f"{self.url}/_faults", json={"faults": [{"kind": kind, **how}]})
        assert answer.status_code == 200, answer.text

    def evidence(self) -> dict[str, Any]:
        return self.client.get(f"{self.url}/_evidence").json()

    def forget(self) -> None:
        """No faults, no counts."""
        self.client.delete(f"{self.url}/_faults")
        self.client.delete(f"{self.url}/_evidence")

    def token(self, *, scope: str = "") -> dict[str, str]:
        """Headers with a fresh token."""
        answer = self.client.post(
            self.told["tokenUrl"],
            data={"grant_type": "client_credentials", **({"scope": scope} if scope else {})},
            auth=(self.told["clientId"], self.told["clientSecret"]),
        )
        assert answer.status_code == 200, answer.text
        return {"Authorization": f"Bearer {answer.json()['access_token']}"}

    def signed(self, address: str, *, method: str, **signing: str) -> dict[str, str]:
        """Headers of a GET signed by OAuth 1.0a."""
        signer = Signer(
            self.told["oauth1Key"],
            client_secret=signing.pop("secret", self.told["oauth1Secret"]),
            signature_method=method,
            **signing,
        )
        _, headers, _ = signer.sign(address)
        return {str(name): str(value) for name, value in headers.items()}


@contextmanager
def emulator(face: str, *arguments: str, folder: Path) -> Iterator[Emulator]:
    """Starts one and stops it afterwards."""
    file = folder / f"{face}.json"
    program = start_program(
        "sis_emulators",
        folder=folder,
        env={},
        arguments=(face, "--port", "0", "--credentials", str(file), *arguments),
    )
    try:
        program.child.wait_until(lambda: '"url"' in program.log(), within_s=READY_TIMEOUT_S)
        with httpx2.Client(timeout=20) as client:
            yield Emulator(program=program, told=json.loads(file.read_text()), client=client)
    finally:
        program.stop()


def every_page(
    running: Emulator, address: str, headers: dict[str, str], *, limit: int
) -> list[dict[str, Any]]:
    """All items of a OneRoster collection, by `rel="next"`."""
    found: list[dict[str, Any]] = []
    following: str | None = f"{address}?limit={limit}"
    while following:
        answer = running.client.get(following, headers=headers)
        assert answer.status_code == 200, answer.text
        (items,) = answer.json().values()
        found += items
        following = answer.links.get("next", {}).get("url")
    return found
