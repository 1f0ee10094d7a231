"""A process that answers `/readyz` on HOMEROOM_PORT and nothing else, to be supervised in tests."""

import os
from http.server import BaseHTTPRequestHandler, HTTPServer


class Ready(BaseHTTPRequestHandler):
    """Always ready."""

    def do_GET(self) -> None:
        """Answer 200 without a body."""
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        """Say nothing."""


if __name__ == "__main__":
    HTTPServer(("127.0.0.1", int(os.environ["HOMEROOM_PORT"])), Ready).serve_forever()
