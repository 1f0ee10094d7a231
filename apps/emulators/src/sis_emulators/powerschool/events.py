"""Event subscriptions and their notifications: once each, in order, never again after a failure.

The body of a notification stands in no public page. Three plausible shapes are served; all carry
the subscriber's key, the event's type, and the record by kind, number and address.
"""

import asyncio
import contextlib
import http.client
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlsplit
from xml.etree.ElementTree import Element, SubElement, tostring

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sis_emulators.clock import iso
from sis_emulators.emulator import House
from sis_emulators.office.records import Staff
from sis_emulators.office.tables import Write
from sis_emulators.powerschool.rest import BASE
from sis_emulators.wire.answers import Json, base_url, told
from sis_emulators.wire.tokens import TokenIssuer

Shape = Literal["json", "json-nested", "xml"]
TABLES = {
    "students": "student",
    "staff": "staff",
    "sections": "section",
    "courses": "course",
    "enrolments": "section_enrollment",
}
TYPES = ("INSERT", "UPDATE", "DELETE", "SCHOOL_ENROLLMENT")
TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """The whole set of one plugin; `base` is the office's address as the subscriber knows it."""

    key: str
    callback: str
    base: str
    wanted: frozenset[tuple[str, str]]
    told: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something to be told."""

    entity: str
    kind: str
    number: int
    at: str


class Events:
    """The subscription, and the one that tells."""

    def __init__(self, house: House, tokens: TokenIssuer, shape: Shape) -> None:
        self._house = house
        self._tokens = tokens
        self._body = SHAPES[shape]
        self._content = "application/xml" if shape == "xml" else "application/json"
        self._set: Subscription | None = None
        self._queue: asyncio.Queue[Event] = asyncio.Queue()
        house.office.listeners.append(self._hear)

    def routes(self) -> list[Route]:
        """The subscription, and the back door's way to ask for a test."""
        path = f"{BASE}/event_subscription"
        return [
            Route(path, self._read, methods=["GET"]),
            Route(path, self._put, methods=["PUT"]),
            Route(path, self._delete, methods=["DELETE"]),
            Route("/_clerk/test-notification", self._test, methods=["POST"]),
        ]

    @contextlib.asynccontextmanager
    async def running(self, _app: Starlette) -> AsyncIterator[None]:
        """Tells while the emulator runs."""
        task = asyncio.create_task(self._tell_all())
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _read(self, request: Request) -> Response:
        if self._tokens.check(request) is None:
            return _problem(401)
        if self._set is None:
            return _problem(404)
        return Json({"event_subscriptions": self._set.told})

    async def _put(self, request: Request) -> Response:
        """201 for the first set, 204 for one that replaces another."""
        if self._tokens.check(request) is None:
            return _problem(401)
        if "json" not in request.headers.get("content-type", ""):
            return _problem(415)
        try:
            wanted = _read_set(await told(request), base_url(request))
        except (AttributeError, KeyError, TypeError, ValueError):
            return _problem(500)  # as documented for a malformed body
        status, self._set = (201 if self._set is None else 204), wanted
        return Response(status_code=status)

    async def _delete(self, request: Request) -> Response:
        if self._tokens.check(request) is None:
            return _problem(401)
        if self._set is None:
            return _problem(404)
        self._set = None
        return Response(status_code=204)

    async def _test(self, _request: Request) -> Response:
        self._enqueue("test_subscription", "UPDATE", 1)
        return Json({"waiting": self._queue.qsize()})

    def _hear(self, write: Write) -> None:
        entity = TABLES.get(write.table)
        if entity is None:
            return
        numbers = [write.record.dcid]
        if isinstance(write.record, Staff):
            numbers = [post.dcid for post in write.record.posts]
        for number in numbers:
            if write.kind == "SCHOOL_ENROLLMENT":
                self._enqueue(entity, "UPDATE", number)
            self._enqueue(entity, write.kind, number)

    def _enqueue(self, entity: str, kind: str, number: int) -> None:
        if self._set is None or (entity, kind) not in self._set.wanted:
            return
        at = iso(self._house.office.clock.now())
        self._queue.put_nowait(Event(entity=entity, kind=kind, number=number, at=at))
        self._house.evidence.notifications.update(("made", "waiting"))

    async def _tell_all(self) -> None:
        while True:
            event = await self._queue.get()
            faults, counts = self._house.faults, self._house.evidence.notifications
            batch = [event]
            if (swap := faults.strike("reorder")) is not None:
                with contextlib.suppress(TimeoutError):
                    after = await asyncio.wait_for(self._queue.get(), swap.amount)
                    batch.insert(0, after)
                    counts["reordered"] += 1
            for one in batch:
                await self._tell(one)
                counts["waiting"] -= 1

    async def _tell(self, event: Event) -> None:
        faults, counts = self._house.faults, self._house.evidence.notifications
        if faults.strike("lose") is not None:
            counts["lost"] += 1
            return
        if (late := faults.strike("delay")) is not None:
            await asyncio.sleep(late.amount)
        copies = 1
        if (more := faults.strike("duplicate")) is not None:
            copies += int(more.amount)
        for _ in range(copies):
            if self._set is not None:
                body = self._body(self._set, event)
                counts["sent"] += 1
                counts[await asyncio.to_thread(self._post, self._set.callback, body)] += 1

    def _post(self, address: str, body: bytes) -> str:
        """How it went: accepted, refused, failed."""
        parts = urlsplit(address)
        secure = parts.scheme == "https"
        kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        connection = kind(parts.hostname or "", parts.port, timeout=TIMEOUT_S)
        path = parts.path + (f"?{parts.query}" if parts.query else "")
        try:
            connection.request("POST", path or "/", body, {"Content-Type": self._content})
            return "accepted" if connection.getresponse().status < 300 else "refused"
        except (OSError, http.client.HTTPException):
            return "failed"
        finally:
            connection.close()


def _read_set(body: dict[str, Any], base: str) -> Subscription:
    said = body["event_subscriptions"]
    lines = said["event_subscription"]
    wanted = {
        (_entity(one["resource"]), _known(one["event_type"], TYPES))
        for one in (lines if isinstance(lines, list) else [lines])
    }
    callback = said["callback_url"]
    if urlsplit(callback).scheme not in ("http", "https"):
        raise ValueError("callback_url is no web address")
    return Subscription(
        key=said.get("key", ""), callback=callback, base=base, wanted=frozenset(wanted), told=said
    )


def _entity(resource: str) -> str:
    name = resource.removeprefix(f"{BASE}/").removesuffix("/*")
    return _known(name, (*TABLES.values(), "test_subscription"))


def _known(name: str, names: tuple[str, ...]) -> str:
    if name not in names:
        raise ValueError(f"{name} is none of {', '.join(names)}")
    return name


def _ref(to: Subscription, event: Event) -> str:
    return f"{to.base}{BASE}/{event.entity}/{event.number}"


def _flat(to: Subscription, event: Event) -> bytes:
    return orjson.dumps({
        "key": to.key, "event_type": event.kind, "entity": event.entity, "id": event.number,
        "ref": _ref(to, event), "timestamp": event.at,
    })  # fmt: skip


def _nested(to: Subscription, event: Event) -> bytes:
    record = {"id": event.number, "ref": _ref(to, event)}
    return orjson.dumps({"event_notifications": {"key": to.key, "event_notification": [{
        "event_type": event.kind, "timestamp": event.at, event.entity: record,
    }]}})  # fmt: skip


def _xml(to: Subscription, event: Event) -> bytes:
    root = Element("event_notifications", key=to.key)
    one = SubElement(root, "event_notification")
    values = {
        "event_type": event.kind, "entity": event.entity, "id": str(event.number),
        "ref": _ref(to, event), "timestamp": event.at,
    }  # fmt: skip
    for name, value in values.items():
        SubElement(one, name).text = value
    return bytes(tostring(root, encoding="utf-8", xml_declaration=True))


SHAPES: dict[Shape, Callable[[Subscription, Event], bytes]] = {
    "json": _flat,
    "json-nested": _nested,
    "xml": _xml,
}


def _problem(status: int) -> Response:
    return Json({"message": http.client.responses[status]}, status_code=status)
