"""Sources as their settings say, and what belongs to one: its reading, its limits, its drop."""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Final
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit
from zoneinfo import ZoneInfo

from roster_common.holds import Limit
from roster_common.runtime.pacing import CallPolicy
from roster_common.runtime.service import Runtime
from sis_ingest.adapters.calls import HttpCalls, SignIn
from sis_ingest.adapters.drops.folder import FolderDrop
from sis_ingest.adapters.drops.sftp import SftpDrop
from sis_ingest.adapters.pull_files import PulledReader
from sis_ingest.domain.deliveries import Place
from sis_ingest.domain.guards import LIMITS, GuardKey
from sis_ingest.domain.schedule import Schedule
from sis_ingest.ports.drops import Drop
from sis_ingest.ports.pulls import Access, Pulling, PullSpec
from sis_ingest.ports.sources import Source
from sis_ingest.settings import (
    DAYS,
    FolderSettings,
    PullSettings,
    SftpSettings,
    SourceSettings,
)
from sis_ingest.sources import KINDS

# A page of 50,000 records is some 50 MiB; beyond this it is no page.
_MAX_ANSWER_BYTES: Final = 256 * 1024 * 1024


class ConfiguredSources:
    """`ports.Sources` from settings."""

    def __init__(self, settings: Iterable[SourceSettings], runtime: Runtime) -> None:
        self._sources = {source.id: _source(source, runtime) for source in settings}
        self.supplements = frozenset(
            source_id for source_id, source in self._sources.items() if source.supplement
        )

    def get(self, source_id: str) -> Source | None:
        """See the port."""
        return self._sources.get(source_id)

    def all(self) -> Iterable[Source]:
        """See the port."""
        return self._sources.values()

    def limits(self, place: Place) -> Mapping[GuardKey, Limit]:
        """The limits of a source's guards; those of ADR 0012 for one that is configured no more."""
        source = self._sources.get(place.source_id)
        return LIMITS if source is None else source.limits


def drop_of(settings: FolderSettings | SftpSettings) -> Drop:
    """The folder, here or elsewhere, in which a source leaves files."""
    if isinstance(settings, FolderSettings):
        return FolderDrop(settings.path, move_to=settings.move_to)
    return SftpDrop(
        host=settings.host,
        port=settings.port,
        username=settings.username,
        password=None if settings.password is None else settings.password.get_secret_value(),
        key_file=settings.key_file,
        host_key=settings.host_key,
        folder=settings.folder,
        move_to=settings.move_to,
    )


def _source(settings: SourceSettings, runtime: Runtime) -> Source:
    kind, files = KINDS[settings.kind], KINDS[settings.files]
    pulling = None
    if settings.pull is not None and kind.pull is not None:
        pulling = _pulling(settings, settings.pull, kind.pull, runtime)
    return Source(
        place=Place(district_id=settings.district, source_id=settings.id),
        kind=settings.kind,
        secrets=settings.plain_secrets(),
        webhook=kind.webhook if settings.secrets else None,
        snapshot=files.profiles[settings.profile] if settings.profile else files.snapshot,
        supplement=kind.supplement or files.supplement,
        pulling=pulling,
        pulled=None if pulling is None else PulledReader(pulling.spec, pulling.access),
        hints=None if pulling is None else kind.hints,
        limits=settings.all_limits(),
        expect_every_s=settings.expect_every_seconds,
    )


def _pulling(
    source: SourceSettings, settings: PullSettings, spec: PullSpec, runtime: Runtime
) -> Pulling:
    name = source.id
    access = Access(
        base_url=str(settings.base_url).rstrip("/"),
        client_id=settings.client_id,
        page_size=settings.page_size,
        options=settings.options,
        secrets=source.plain_secrets(),
    )
    token_url = None if settings.token_url is None else str(settings.token_url)
    if token_url is None and spec.token_url is not None:
        token_url = spec.token_url(access)
    runtime.http.follow(
        name,
        CallPolicy(
            read_timeout_s=settings.timeout_seconds,
            total_timeout_s=settings.timeout_seconds,
            max_concurrency=settings.concurrency,
            adaptive=True,
            max_answer_bytes=_MAX_ANSWER_BYTES,
        ),
    )
    calls = HttpCalls(
        runtime.http,
        name=name,
        base_url=access.base_url,
        sign_in=SignIn(
            auth=settings.auth,
            client_id=settings.client_id,
            client_secret=settings.client_secret.get_secret_value(),
            token_url=_with_query(
                token_url or "", spec.token_query(access) if spec.token_query else {}
            ),
            scope="" if spec.scope is None else spec.scope(access),
        ),
        clock=runtime.clock,
        timeout_s=settings.timeout_seconds,
        at_once=settings.concurrency,
    )
    return Pulling(
        access=access,
        client=spec.connect(access, calls),
        spec=spec,
        schedule=Schedule(
            zone=ZoneInfo(settings.zone),
            full_day=None if settings.full_day is None else DAYS.index(settings.full_day),
            full_at=settings.full_at,
            delta_every=None
            if settings.delta_every_seconds is None
            else timedelta(seconds=settings.delta_every_seconds),
            windows=settings.windows,
            blackouts=settings.blackouts,
        ),
    )


def _with_query(url: str, query: Mapping[str, str]) -> str:
    """The address with what it does not say already."""
    parts = urlsplit(url)
    told = dict(parse_qsl(parts.query))
    return urlunsplit(parts._replace(query=urlencode({**query, **told})))
