"""Every setting stands in a page that people read: docs/settings.md or its service's README."""

import re
from collections.abc import Iterator
from typing import Any, get_args

import pytest
from pydantic import BaseModel
from pydantic_settings import BaseSettings

from directory_sync.settings import Settings as DirectorySync
from homeroom.parts.settings import PartsSettings
from homeroom.settings import CommandSettings
from roster_common.runtime.log.__main__ import KeeperSettings
from roster_publisher.settings import Settings as RosterPublisher
from sis_ingest.settings import Settings as SisIngest
from tests.architecture.workspace import ROOT
from ticket_events.settings import Settings as TicketEvents

SHARED = "docs/settings.md"
PAGES: dict[type[BaseSettings], tuple[str, ...]] = {
    SisIngest: (SHARED, "services/sis-ingest/README.md"),
    RosterPublisher: (SHARED, "services/roster-publisher/README.md"),
    DirectorySync: (SHARED, "services/directory-sync/README.md"),
    TicketEvents: (SHARED, "services/ticket-events/README.md"),
    KeeperSettings: (SHARED,),
    CommandSettings: (SHARED,),
    PartsSettings: (SHARED,),
}
# The name of a process is no choice.
NO_CHOICE = frozenset({"service"})


def untold(kind: type[BaseSettings], text: str) -> Iterator[str]:
    """Names of settings that the text does not have; those inside lists by their JSON names."""
    for name, field in kind.model_fields.items():
        variable = str(field.validation_alias or name.upper())
        if name not in NO_CHOICE and not re.search(rf"\b(HOMEROOM_)?{variable}\b", text):
            yield variable
        for model in models_in(field.annotation):
            yield from untold_inside(model, text)


def untold_inside(model: type[BaseModel], text: str) -> Iterator[str]:
    for name, field in model.model_fields.items():
        told = field.alias or name
        if not re.search(rf"[`\"]{told}[`\"]", text):
            yield f"{model.__name__}.{told}"
        for inner in models_in(field.annotation):
            yield from untold_inside(inner, text)


def models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from models_in(part)


@pytest.mark.parametrize("kind", PAGES, ids=lambda kind: kind.__module__)
def test_every_setting_is_told(kind: type[BaseSettings]) -> None:
    text = "\n".join((ROOT / page).read_text(encoding="utf-8") for page in PAGES[kind])

    assert list(untold(kind, text)) == []


def test_a_setting_that_no_page_has_is_found() -> None:
    missing = list(untold(SisIngest, "HOMEROOM_PORT"))

    assert {"SOURCES", "PullSettings.pageSize", "SftpSettings.hostKey"} <= set(missing)
    assert "PORT" not in missing
