"""Our OpenAPI documents of OneRoster rostering, made of the collections that are served.

Served as the discovery file, which the specification wants localised: real servers and token
address, only what is there, and what is ours beside it (the highest `limit`, `X-Roster-Revision`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from roster_publisher.domain.collections import (
    COLLECTIONS,
    DEMOGRAPHICS,
    PARENT,
    ROSTER,
    ROSTER_CORE,
    SUB_COLLECTIONS,
    Collection,
)
from roster_publisher.domain.queries import DEFAULT_LIMIT, MAX_LIMIT, MAX_OFFSET
from roster_publisher.domain.v1p1 import v1p1_scope
from roster_publisher.entrypoints.oneroster.schemas import ERROR, NAMES, Schema, pointer, schemas
from roster_publisher.entrypoints.oneroster.schemas_v1p1 import v1p1_schemas

_SECURITY: Final = "OAuth2CC"
_SIGNED: Final = "OAuth1"
_SCOPES: Final = {
    ROSTER: "Every collection and object but demographics.",
    ROSTER_CORE: "The core collections and their objects, but demographics.",
    DEMOGRAPHICS: "Demographics.",
}
_ERRORS: Final = {
    "default": "Any other error.",
    "400": (
        "The filter, the fields, the paging or the pinned revision cannot be read; or a filter or"
        " order on a field without an index took too long (invaliddata, the description names the"
        " field and says what narrows it)."
    ),
    "401": "The token is missing, unknown or has expired.",
    "403": "The token carries no scope that opens this, or the agreement has ended.",
    "429": "Too many requests; Retry-After says when to come again.",
    "500": "The server could not answer.",
}
_UNKNOWN: Final = {"404": "There is no such object in the vendor's sight."}
_GONE: Final = {"410": "The pinned revision is no longer kept."}
_REVISION: Final = "X-Roster-Revision"


@dataclass(frozen=True, slots=True, kw_only=True)
class Edition:
    """What the documents of two versions say differently. `signed` is for OAuth 1.0a."""

    version: str
    scope: Callable[[str], str]
    schemas: Callable[[], dict[str, Schema]]
    signed: bool


V1P2_EDITION: Final = Edition(
    version="1.2", scope=lambda scope: scope, schemas=schemas, signed=False
)
V1P1_EDITION: Final = Edition(version="1.1", scope=v1p1_scope, schemas=v1p1_schemas, signed=True)


def document(*, server: str, token_url: str, edition: Edition = V1P2_EDITION) -> dict[str, Any]:
    """The document for vendors who reach us at `server`, the address of the service's base path."""
    paths = {}
    for collection in COLLECTIONS.values():
        paths[f"/{collection.path}"] = {"get": _collection(collection, edition)}
        paths[f"/{collection.path}/{{sourcedId}}"] = {"get": _single(collection, edition)}
    for collection in SUB_COLLECTIONS.values():
        names = [f"{{{name}}}" for name in _parent_names(collection)]
        paths[f"/{collection.path.format(*names)}"] = {"get": _collection(collection, edition)}
    scopes = {edition.scope(scope): text for scope, text in _SCOPES.items()}
    flow = {"tokenUrl": token_url, "scopes": scopes}
    schemes: dict[str, Schema] = {
        _SECURITY: {"type": "oauth2", "flows": {"clientCredentials": flow}}
    }
    if edition.signed:
        schemes[_SIGNED] = {
            "type": "http",
            "scheme": "OAuth",
            "description": "RFC 5849 without a token: HMAC-SHA1 or HMAC-SHA256.",
        }
    title = f"OneRoster {edition.version} rostering as served by Homeroom"
    return {
        "openapi": "3.0.3",
        "info": {"title": title, "version": edition.version},
        "servers": [{"url": server}],
        "paths": paths,
        "components": {"securitySchemes": schemes, "schemas": edition.schemas()},
    }


def _collection(collection: Collection, edition: Edition) -> Schema:
    name = _capital(_last(collection))
    if not collection.parents:
        name = f"All{name}"
    else:
        parents = [_singular(parent) for parent in reversed(collection.parents)]
        name += f"For{'In'.join(parents)}"
    ids = [_path_parameter(one) for one in _parent_names(collection)]
    codes = _ERRORS | _GONE | (_UNKNOWN if collection.parents else {})
    headers = {
        "X-Total-Count": (_whole(), "Rows of the whole collection, after the filter."),
        "Link": ({"type": "string"}, "RFC 8288: first, prev, next and last page."),
        _REVISION: (_whole(), "The revision that all pages of this pull show."),
    }
    found = _content(f"{NAMES[collection.entity]}SetDType", "A page of the collection.")
    found["headers"] = {
        header: {"schema": schema, "description": text}
        for header, (schema, text) in headers.items()
    }
    parameters = [*ids, *_page_parameters()]
    return _operation(collection, edition, name, parameters, found, codes)


def _single(collection: Collection, edition: Edition) -> Schema:
    name = _singular(collection.path)
    found = _content(f"Single{NAMES[collection.entity]}DType", "The object.")
    parameters = [_path_parameter("sourcedId"), _fields(), _pin()]
    codes = _ERRORS | _GONE | _UNKNOWN
    return _operation(collection, edition, name, parameters, found, codes)


def _operation(
    collection: Collection,
    edition: Edition,
    name: str,
    parameters: list[Schema],
    found: Schema,
    codes: dict[str, str],
) -> Schema:
    security: list[Schema] = [
        {_SECURITY: [edition.scope(scope)]} for scope in sorted(collection.scopes)
    ]
    if edition.signed:
        security.append({_SIGNED: []})
    return {
        "operationId": f"get{name}",
        "tags": [f"{_capital(collection.path.partition('/')[0])}Management"],
        "parameters": parameters,
        "security": security,
        "responses": {"200": found} | {code: _content(ERROR, text) for code, text in codes.items()},
    }


def _page_parameters() -> list[Schema]:
    return [
        _query(
            "limit",
            _whole(lowest=1, highest=MAX_LIMIT) | {"default": DEFAULT_LIMIT},
            "Rows of a page. Honoured as asked, never lowered; above the maximum it is refused.",
        ),
        _query("offset", _whole(highest=MAX_OFFSET) | {"default": 0}, "Rows before the page."),
        _query("sort", {"type": "string"}, "The field that gives the order."),
        _query("orderBy", {"type": "string", "enum": ["asc", "desc"]}, "Its direction."),
        _query("filter", {"type": "string"}, "field predicate 'value', joined by AND or OR."),
        _fields(),
        _pin(),
    ]


def _pin() -> Schema:
    return {
        "name": _REVISION,
        "in": "header",
        "required": False,
        "schema": _whole(),
        "description": "Serve this revision; without it a pull stays at its first page's.",
    }


def _fields() -> Schema:
    schema = {"type": "array", "items": {"type": "string"}}
    return _query("fields", schema, "Only these fields, by repetition or with commas.")


def _query(name: str, schema: Schema, description: str) -> Schema:
    found = {"name": name, "in": "query", "required": False, "schema": schema, "style": "form"}
    return found | {"allowEmptyValue": False, "description": description}


def _path_parameter(name: str) -> Schema:
    schema = {"type": "string"}
    return {"name": name, "in": "path", "required": True, "schema": schema, "style": "simple"}


def _content(name: str, description: str) -> Schema:
    content = {"application/json": {"schema": pointer(name)}}
    return {"description": description, "content": content}


def _whole(*, lowest: int = 0, highest: int | None = None) -> Schema:
    schema: Schema = {"type": "integer", "minimum": lowest}
    if highest is None:
        return schema | {"format": "int64"}
    return schema | {"format": "int32", "maximum": highest}


def _parent_names(collection: Collection) -> list[str]:
    kinds = [_singular(kind) for kind in collection.parents]
    return [f"{kind[0].lower()}{kind[1:]}SourcedId" for kind in kinds]


def _last(collection: Collection) -> str:
    return collection.path.rpartition(PARENT)[2]


def _singular(word: str) -> str:
    """`classes` as `Class`; demographics are the same in both numbers."""
    if word == "demographics":
        return _capital(word)
    return _capital(word.removesuffix("es" if word == "classes" else "s"))


def _capital(word: str) -> str:
    return word[0].upper() + word[1:]
