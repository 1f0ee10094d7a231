"""The two faces of one roster: what OneRoster 1.2 and 1.1 word differently. Source: ADR 0026."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from roster_publisher.domain.audit import Door
from roster_publisher.domain.collections import Collection
from roster_publisher.domain.fields import FindField, find_field
from roster_publisher.domain.filters import Filter
from roster_publisher.domain.fragments import FIELDS
from roster_publisher.domain.v1p1 import (
    V1P1_FIELDS,
    find_v1p1_field,
    in_v1p2_words,
    to_v1p1,
    v1p1_scopes,
)
from roster_publisher.domain.views import Body

V1P1_BASE_PATH: Final = "/ims/oneroster/v1p1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Face:
    """A version as vendors read it. `wording` maps a 1.2 body and is None where none is needed.

    `filter` gets a filter whose fields `find` found. `warns` says that bodies have a place for
    warnings and that errors name the request they answer.
    """

    name: str
    door: Door
    fields: Mapping[str, frozenset[str]]
    find: FindField
    filter: Callable[[Filter], Filter]
    scopes: Callable[[Collection], frozenset[str]]
    wording: Callable[[Body, str], Body] | None
    warns: bool


V1P2: Final = Face(
    name="v1p2",
    door="oneroster12",
    fields=FIELDS,
    find=find_field,
    filter=lambda asked: asked,
    scopes=lambda collection: collection.scopes,
    wording=None,
    warns=False,
)
V1P1: Final = Face(
    name="v1p1",
    door="oneroster11",
    fields=V1P1_FIELDS,
    find=find_v1p1_field,
    filter=in_v1p2_words,
    scopes=v1p1_scopes,
    wording=to_v1p1,
    warns=True,
)
