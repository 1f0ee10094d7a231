"""The discovery files: our OpenAPI document under both names that are in use, for anybody.

Source: OneRoster 1.2 rostering REST binding and certification guide, which disagree on the name.
"""

from functools import lru_cache
from typing import Any, Final

import orjson

from roster_publisher.entrypoints.oneroster.openapi import document

BASE_PATH: Final = "/ims/oneroster/rostering/v1p2"
DISCOVERY_FILES: Final = (
    "onerosterv1p2rostersservice_openapi3_v1p0.json",
    "imsorv1p2_rostering_openapi3_v1p0.json",
)
_PATHS: Final = frozenset(f"discovery/{name}" for name in DISCOVERY_FILES)


def is_discovery(scope: dict[str, Any]) -> bool:
    """Whether the request reads a discovery file."""
    path = scope["path"].removeprefix(scope.get("root_path", "")).strip("/")
    return path in _PATHS and scope["method"] in {"GET", "HEAD"}


# Few addresses lead to us; callers may name any, so only some are remembered.
@lru_cache(maxsize=16)
def discovery(base: str) -> bytes:
    """The file for a caller who reaches the base path at `base`."""
    token_url = f"{base.removesuffix(BASE_PATH)}/oauth2/token"
    return orjson.dumps(document(server=base, token_url=token_url))
