"""A vendor's webhook receiver as a process of its own: checks signatures with the specification's
own library, keeps what it took, and misbehaves as it is told.

Run as a program: `webhook_receiver.py FOLDER PORT SECRET…`. It appends a line to `received` for
each call, and takes its behaviour from the lines of `behaviour`: one for each call, the last one
for ever. Words: ok, lose (takes it and drops the connection), hang, redirect, flood, a status.
"""

import http.server
import json
import socket
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from standardwebhooks import Webhook, WebhookVerificationError

from homeroom.parts.processes import Child, start_child


@dataclass(frozen=True, slots=True, kw_only=True)
class Receiver:
    """The running process, seen from a test."""

    child: Child
    folder: Path
    port: int

    @property
    def url(self) -> str:
        """Where it takes calls."""
        return f"http://127.0.0.1:{self.port}/hook"

    def behave(self, *words: str) -> None:
        """From the next call on."""
        behaviour = self.folder / "behaviour"
        fresh = self.folder / "behaviour.new"
        fresh.write_text("\n".join(words))
        fresh.replace(behaviour)

    def calls(self) -> list[dict[str, Any]]:
        """Every call so far: id, signers, type, body, word."""
        path = self.folder / "received"
        text = path.read_text() if path.exists() else ""
        # It may be writing the next one.
        return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]

    def changes(self) -> list[dict[str, Any]]:
        """What was told by the calls it took, in order."""
        return [
            one
            for call in self.calls()
            if call["word"] in {"ok", "lose"} and call["body"]["type"] == "changes"
            for one in call["body"]["data"]["changes"]
        ]

    def kill(self) -> None:
        """Gone."""
        self.child.kill()


def start_receiver(folder: Path, *secrets: str, port: int = 0) -> Receiver:
    """Returns when it takes calls."""
    # Not above: as a program this file has the product to import, and nothing of the tests.
    from tests.support.ports import own_port

    folder.mkdir(exist_ok=True)
    port = port or own_port()
    child = start_child(
        "webhook_receiver",
        [sys.executable, __file__, str(folder), str(port), *secrets],
        log=folder / "receiver.log",
    )
    try:
        child.wait_until(lambda: _answers(port), within_s=60)
    except BaseException:
        child.kill()
        raise
    return Receiver(child=child, folder=folder, port=port)


def _answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False


class _Hook(http.server.BaseHTTPRequestHandler):
    folder: Path
    secrets: tuple[str, ...]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        word = self._word()
        self._keep(body, word)
        match word:
            case "ok":
                self._answer(204)
            case "lose":
                self.connection.shutdown(socket.SHUT_RDWR)
            case "hang":
                time.sleep(600)
            case "redirect":
                self._answer(307, location=f"http://127.0.0.1:{self.server.server_port}/other")
            case "flood":
                self._answer(200, body=b" " * 200_000)
            case _:
                self._answer(int(word))

    def log_message(self, *_args: object) -> None:
        """Say nothing."""

    def _word(self) -> str:
        path = self.folder / "behaviour"
        words = path.read_text().splitlines() if path.exists() else ["ok"]
        if len(words) > 1:
            path.write_text("\n".join(words[1:]))
        return words[0]

    def _keep(self, body: bytes, word: str) -> None:
        signers = []
        for place, secret in enumerate(self.secrets):
            try:
                Webhook(secret).verify(body, dict(self.headers.items()))
            except WebhookVerificationError:
                continue
            signers.append(place)
        line = {
            "id": self.headers["webhook-id"],
            "path": self.path,
            "signers": signers,
            "body": json.loads(body),
            "word": word,
        }
        with (self.folder / "received").open("a") as out:
            out.write(json.dumps(line) + "\n")

    def _answer(self, status: int, *, body: bytes = b"", location: str | None = None) -> None:
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        if location is not None:
            self.send_header("location", location)
        self.end_headers()
        self.wfile.write(body)


def main() -> None:
    """Serve until killed."""
    folder, port, *secrets = sys.argv[1:]
    _Hook.folder, _Hook.secrets = Path(folder), tuple(secrets)
    http.server.ThreadingHTTPServer(("127.0.0.1", int(port)), _Hook).serve_forever()


if __name__ == "__main__":
    main()
