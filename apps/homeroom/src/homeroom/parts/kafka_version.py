"""Asks a Kafka broker, over its own protocol, which release line it is.

The protocol does not carry the exact release: ApiVersions (version 3) tells the highest
`metadata.version` level the broker's software supports, and that level belongs to one line of
releases. The exact release is the broker's own word at start-up, see `kafka_node.py`.
"""

import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from roster_common.errors import HomeroomError

TIMEOUT_S = 3.0
API_VERSIONS = 18
FEATURE = "metadata.version"
LAST_BYTE_BELOW = 0x80  # the high bit of a varint's byte says that more follow

# org.apache.kafka.server.common.MetadataVersion of 4.3.1: the last level of each line.
LAST_LEVEL = {
    7: "3.3", 8: "3.4", 11: "3.5", 14: "3.6", 19: "3.7", 20: "3.8", 21: "3.9",
    25: "4.0", 27: "4.1", 29: "4.2", 30: "4.3", 31: "4.4",
}  # fmt: skip


class NotKafka(HomeroomError):
    """What answered there does not speak ApiVersions version 3."""


def release_line(level: int) -> str:
    """The line of releases that supports `metadata.version` up to `level`, such as `4.3`."""
    for last, line in LAST_LEVEL.items():
        if level <= last:
            return line
    return f"newer than 4.4 (metadata.version {level})"


def metadata_level(host: str, port: int) -> int:
    """The highest `metadata.version` level of the broker that answers; waits three seconds.

    Raises `OSError` where nothing answers in time and `NotKafka` where it is no KRaft broker.
    A broker answers only once it has joined its cluster, so this is also the test of readiness.
    """
    with socket.create_connection((host, port), timeout=TIMEOUT_S) as connection:
        connection.settimeout(TIMEOUT_S)
        connection.sendall(_request())
        size = struct.unpack(">i", _exactly(connection, 4))[0]
        return supported_level(_exactly(connection, size))


def supported_level(response: bytes) -> int:
    """Reads the level out of an ApiVersions response, version 3, without its length prefix."""
    try:
        return _supported_level(_Reader(response))
    except (struct.error, IndexError, UnicodeDecodeError) as error:
        raise NotKafka from error


def _request() -> bytes:
    client = b"homeroom-parts"
    header = struct.pack(">hhih", API_VERSIONS, 3, 1, len(client)) + client + b"\x00"
    name = bytes([len(client) + 1]) + client
    payload = header + name + b"\x021" + b"\x00"
    return struct.pack(">i", len(payload)) + payload


def _exactly(connection: socket.socket, size: int) -> bytes:
    received = b""
    while len(received) < size:
        piece = connection.recv(size - len(received))
        if not piece:
            raise NotKafka
        received += piece
    return received


@dataclass(slots=True)
class _Reader:
    """Kafka's flexible encoding: unsigned varints, compact strings, tagged fields."""

    data: bytes
    at: int = 0

    def skip(self, size: int) -> None:
        self.at += size

    def number(self, form: str) -> int:
        value: int = struct.unpack_from(f">{form}", self.data, self.at)[0]
        self.at += struct.calcsize(form)
        return value

    def varint(self) -> int:
        """The unsigned varint at the position, which moves behind it: 7 bits a byte, lowest first.

        Raises IndexError where the bytes end. Source: Kafka protocol guide, primitive types.
        """
        value, shift = 0, 0
        while True:
            byte = self.data[self.at]
            self.at += 1
            value |= (byte & 0x7F) << shift
            if byte < LAST_BYTE_BELOW:
                return value
            shift += 7

    def text(self) -> str:
        size = self.varint() - 1
        self.at += size
        return self.data[self.at - size : self.at].decode("ascii")

    def tags(self) -> Iterator[tuple[int, int]]:
        """Yields (tag, end) with the position at the value; goes on at the end."""
        for _ in range(self.varint()):
            tag, size = self.varint(), self.varint()
            end = self.at + size
            yield tag, end
            self.at = end


def _supported_level(response: _Reader) -> int:
    response.skip(4)  # correlation id
    if response.number("h") != 0:
        raise NotKafka
    for _ in range(response.varint() - 1):  # the APIs: key, lowest, highest version, tags
        response.skip(6)
        _skip_tags(response)
    response.skip(4)  # throttle time
    for tag, _ in response.tags():
        if tag == 0:
            return _feature_level(response)
    raise NotKafka


def _feature_level(response: _Reader) -> int:
    for _ in range(response.varint() - 1):
        name, _lowest, highest = response.text(), response.number("h"), response.number("h")
        _skip_tags(response)
        if name == FEATURE:
            return highest
    raise NotKafka


def _skip_tags(response: _Reader) -> None:
    for _ in response.tags():
        pass
