"""Reads a OneRoster request: path, paging, filter, order, fields, pin, base address. No store."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qs, quote, unquote

from roster_publisher.domain.access import Grant
from roster_publisher.domain.collections import ALL_COLLECTIONS, PARENT, Collection
from roster_publisher.domain.filters import BadFilter, Filter, parse_filter
from roster_publisher.domain.oauth1 import PREFIX
from roster_publisher.domain.queries import BadPaging, CollectionQuery, Parent, paging
from roster_publisher.domain.sorting import BadOrder, Sort, parse_sort
from roster_publisher.entrypoints.oneroster.errors import bad_request, not_found
from roster_publisher.entrypoints.oneroster.faces import Face
from roster_publisher.usecases.read_collection import PageRequest

_HOST: Final = re.compile(r"[A-Za-z0-9.\-_:\[\]]{1,255}")
_KNOWN: Final = frozenset({"limit", "offset", "sort", "orderBy", "filter", "fields"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request for a collection, or for one object of it when `sourced_id` is set."""

    face: Face
    collection: Collection
    parents: tuple[Parent, ...]
    sourced_id: str | None
    params: dict[str, list[str]]
    fields: frozenset[str] | None
    unknown_fields: bool
    pinned: int | None

    @property
    def path(self) -> str:
        """The collection's path with the ids of its parents."""
        return self.collection.path.format(
            *(quote(parent.sourced_id, safe="") for parent in self.parents)
        )

    def page_of(self, grant: Grant) -> PageRequest:
        """The page asked for. Raises `Fault` for what cannot be read."""
        try:
            limit, offset = paging(self._one("limit"), self._one("offset"))
        except BadPaging as error:
            raise bad_request(str(error)) from error
        query = CollectionQuery(
            grant=grant,
            collection=self.collection,
            filter=self._filter(grant),
            sort=self._sort(grant),
            parents=self.parents,
        )
        return PageRequest(
            query=query,
            query_hash=self._query_hash(grant),
            limit=limit,
            offset=offset,
            pinned=self.pinned,
        )

    def _filter(self, grant: Grant) -> Filter | None:
        text = self._one("filter")
        if text is None:
            return None
        try:
            asked = parse_filter(text, self.collection.entity, grant, self.face.find)
            return self.face.filter(asked)
        except BadFilter as error:
            raise bad_request(str(error), "invalid_filter_field") from error

    def _sort(self, grant: Grant) -> Sort | None:
        sort, order_by = self._one("sort"), self._one("orderBy")
        try:
            return parse_sort(sort, order_by, self.collection.entity, grant, self.face.find)
        except BadOrder as error:
            raise bad_request(str(error)) from error

    def warnings(self, grant: Grant) -> Sequence[tuple[str, str]]:
        """(minor code, description) of what was passed over; only 1.1 has a place to say it."""
        told: list[tuple[str, str]] = []
        if not self.face.warns:
            return told
        if self.unknown_fields:
            told.append(("invalid_selection_field", "fields names an unknown field; all are given"))
        sort = self.params.get("sort", [""])[0]
        entity = self.collection.entity
        known = not sort or self.face.find(sort, entity, grant) is not None
        if self.sourced_id is None and not known:
            told.append(
                ("invalid_sort_field", "sort names no field to sort by; the order is by sourcedId")
            )
        return told

    def _one(self, name: str) -> str | None:
        values = self.params.get(name, [])
        if len(values) > 1:
            raise bad_request(f"{name} is given more than once")
        return values[0] if values else None

    def _query_hash(self, grant: Grant) -> bytes:
        """16 bytes over path, query without offset, and what the grant shows: they name a pull
        beside the client, so that a grant that has changed opens a new one.
        """
        kept = sorted((n, v) for n, v in self.params.items() if n in _KNOWN and n != "offset")
        shown = (grant.shows, grant.since_stamp)
        whole = repr((self.face.name, self.path, kept, *shown))
        return hashlib.blake2b(whole.encode(), digest_size=16).digest()


def read_request(face: Face, scope: dict[str, Any], headers: dict[bytes, bytes]) -> Asked:
    """Raises `Fault` when there is no such place or the query cannot be read."""
    collection, ids = _place(path_below(scope).strip("/").split("/"))
    try:
        params = parse_qs(scope["query_string"].decode(), keep_blank_values=True, errors="strict")
    except (UnicodeDecodeError, ValueError) as error:
        raise bad_request("the query is not UTF-8") from error
    # What signed this request belongs into no link to another.
    params = {name: values for name, values in params.items() if not name.startswith(PREFIX)}
    fields, unknown = _fields(params.get("fields"), collection, face)
    return Asked(
        face=face,
        collection=collection,
        parents=tuple(
            Parent(kind=kind, sourced_id=parent_id)
            for kind, parent_id in zip(collection.parents, ids, strict=False)
        ),
        sourced_id=ids[-1] if len(ids) > len(collection.parents) else None,
        params=params,
        fields=fields,
        unknown_fields=unknown,
        pinned=_pinned(headers.get(b"x-roster-revision")),
    )


def path_below(scope: dict[str, Any]) -> str:
    """The path as it was sent, from the base path on.

    The raw one, because an id may hold a slash, which the decoded path no longer tells apart.
    """
    raw: bytes = scope.get("raw_path") or scope["path"].encode()
    return raw.decode("latin-1").removeprefix(scope.get("root_path", ""))


def _place(segments: list[str]) -> tuple[Collection, list[str]]:
    """The collection and the ids of a path: one id more than parents asks for an object."""
    words, ids = segments[::2], [unquote(one) for one in segments[1::2]]
    collection = ALL_COLLECTIONS.get(PARENT.join(words))
    single = len(ids) == len(words)
    # No id is empty or holds a NUL, and the store cannot be asked for one.
    unheard = any(not one or "\x00" in one for one in ids)
    if collection is None or unheard or (single and collection.parents):
        raise not_found("there is no such place in this service")
    return collection, ids


def base_address(scope: dict[str, Any], headers: dict[bytes, bytes], public_url: str | None) -> str:
    """Where `href`s and links point: the configured address, else the one the caller used."""
    if public_url is not None:
        return f"{public_url.rstrip('/')}{scope.get('root_path', '')}"
    host = headers.get(b"host", b"").decode("latin-1")
    if not _HOST.fullmatch(host):
        raise bad_request("the Host header names no host")
    return f"{scope.get('scheme', 'http')}://{host}{scope.get('root_path', '')}"


def _fields(
    given: list[str] | None, collection: Collection, face: Face
) -> tuple[frozenset[str] | None, bool]:
    """`fields=a,b` and `fields=a&fields=b` alike, and whether one is passed over, as 1.1 wants it.

    1.1 then gives every field, and has a word of its own for no name at all.
    """
    if given is None:
        return None, False
    names = frozenset(name.strip() for text in given for name in text.split(","))
    unknown = names - face.fields[collection.entity]
    if not unknown:
        return names, False
    if not face.warns:
        raise bad_request("fields names a field that is not there", "invalid_selection_field")
    if names == {""}:
        raise bad_request("fields names no field", "invalid_blank_selection_field")
    return None, True


def _pinned(header: bytes | None) -> int | None:
    if header is None:
        return None
    text = header.decode("latin-1").strip()
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise bad_request("X-Roster-Revision must be a whole number")
    return int(text)
