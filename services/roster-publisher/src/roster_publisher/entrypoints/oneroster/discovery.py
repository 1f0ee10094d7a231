"""The discovery files: our OpenAPI documents, for anybody.

That of 1.2 stands under both names that are in use. 1.1 knows no such file; its own stands where
one who knows 1.2 looks for it. Source: OneRoster 1.2 rostering REST binding and certification
guide, which disagree on the name.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

import orjson

from roster_publisher.entrypoints.oneroster.faces import V1P1, V1P1_BASE_PATH, V1P2, Face
from roster_publisher.entrypoints.oneroster.openapi import (
    V1P1_EDITION,
    V1P2_EDITION,
    Edition,
    document,
)

BASE_PATH: Final = "/ims/oneroster/rostering/v1p2"
DISCOVERY_FILES: Final = (
    "onerosterv1p2rostersservice_openapi3_v1p0.json",
    "imsorv1p2_rostering_openapi3_v1p0.json",
)
V1P1_DISCOVERY_FILES: Final = ("onerosterv1p1rostersservice_openapi3_v1p0.json",)
# By the name of a face: where it is, its files and what they say.
_OF: Final[Mapping[str, tuple[str, tuple[str, ...], Edition]]] = {
    V1P2.name: (BASE_PATH, DISCOVERY_FILES, V1P2_EDITION),
    V1P1.name: (V1P1_BASE_PATH, V1P1_DISCOVERY_FILES, V1P1_EDITION),
}


def is_discovery(face: Face, scope: dict[str, Any]) -> bool:
    """Whether the request reads a discovery file."""
    folder, _, name = (
        scope["path"].removeprefix(scope.get("root_path", "")).strip("/").partition("/")
    )
    _, files, _ = _OF[face.name]
    return folder == "discovery" and name in files and scope["method"] in {"GET", "HEAD"}


# Few addresses lead to us; callers may name any, so only some are remembered.
@lru_cache(maxsize=16)
def discovery(face: str, base: str) -> bytes:
    """The file of a face, by its name, for a caller who reaches its base path at `base`."""
    path, _, edition = _OF[face]
    token_url = f"{base.removesuffix(path)}/oauth2/token"
    return orjson.dumps(document(server=base, token_url=token_url, edition=edition))
