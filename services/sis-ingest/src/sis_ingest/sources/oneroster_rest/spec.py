"""What a OneRoster REST source can do: pulls, full and by date.

Options: `version` 1.1 or 1.2 (the default), `path` where the provider's differs from the
specification's.
"""

from typing import Final

from sis_ingest.oneroster.client import OneRosterClient, Provider, scopes
from sis_ingest.oneroster.wording import ENTITIES, VOLATILE, OneRosterWording
from sis_ingest.ports.pulls import Access, Calls, PullClient, PullSpec, Sections, Wording
from sis_ingest.ports.sources import SourceSpec

_PATHS: Final = {"1.1": "/ims/oneroster/v1p1", "1.2": "/ims/oneroster/rostering/v1p2"}


def _connect(access: Access, calls: Calls) -> PullClient:
    path = access.options.get("path") or _PATHS[_version(access)]
    provider = Provider(
        path=path,
        page_size=access.page_size,
        # What an administrator is depends on the org, which may not have changed.
        always_whole=frozenset({"orgs"}) if _version(access) == "1.1" else frozenset(),
    )
    return OneRosterClient(provider, calls)


def _scope(access: Access) -> str:
    return scopes(_version(access))


def _version(access: Access) -> str:
    return access.options.get("version", "1.2")


def _wording(sections: Sections, _access: Access) -> Wording:
    return OneRosterWording(sections)


SPEC: Final = SourceSpec(
    kind="oneroster_rest",
    title="OneRoster REST",
    pull=PullSpec(
        connect=_connect,
        entities=ENTITIES,
        wording=_wording,
        volatile=VOLATILE,
        scope=_scope,
        options={"version": tuple(_PATHS), "path": ()},
    ),
)
