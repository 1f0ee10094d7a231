"""What an Infinite Campus source can do: pulls over OneRoster 1.2 or 1.1, full and by date.

Campus has no webhooks. Options: `appName`, which the address for tokens carries; `version` 1.2 (the
default) or 1.1; `people`, `granular` (students and teachers, as Campus asks) or `users` (everybody
with an account). See README.md.
"""

from typing import Final

from sis_ingest.oneroster.client import OneRosterClient, Provider
from sis_ingest.oneroster.wording import VOLATILE
from sis_ingest.ports.pulls import Access, Calls, PullClient, PullSpec, Sections, Wording
from sis_ingest.ports.sources import SourceSpec
from sis_ingest.sources.infinite_campus.normalise import ENTITIES, PEOPLE, CampusWording

_SECTIONS: Final = {"granular": ("students", "teachers"), "users": ("users",)}


def _connect(access: Access, calls: Calls) -> PullClient:
    people = _SECTIONS[access.options.get("people", "granular")]
    provider = Provider(
        # The base address is that of the interface, as Campus shows it to the district.
        path="",
        page_size=access.page_size,
        sections=(
            "orgs", "academicSessions", "courses", "classes", *people, "demographics",
            "enrollments",
        ),
        # Of a person with several users one alone may have changed; half a person is none. What an
        # administrator is depends on the org.
        always_whole=frozenset({"orgs", *PEOPLE}) if _roles_apart(access) else frozenset(),
    )  # fmt: skip
    return OneRosterClient(provider, calls)


def _wording(sections: Sections, access: Access) -> Wording:
    return CampusWording(sections, roles_apart=_roles_apart(access))


def _roles_apart(access: Access) -> bool:
    return access.options.get("version") == "1.1"


def _token_query(access: Access) -> dict[str, str]:
    return {"appName": access.options["appName"]}


SPEC: Final = SourceSpec(
    kind="infinite_campus",
    title="Infinite Campus",
    pull=PullSpec(
        connect=_connect,
        entities=ENTITIES,
        wording=_wording,
        volatile=VOLATILE,
        token_query=_token_query,
        # Campus's guidelines for consumers: everything weekly, what changed nightly, off-peak, big
        # pages, requests one after another in peak hours and at most five at once outside them.
        defaults={
            "pageSize": 10_000,
            "concurrency": 1,
            "fullDay": "sun",
            "fullAt": "01:00",
            # Once in each window, whenever in it the last one began.
            "deltaEverySeconds": 20 * 3_600,
            "windows": (("22:00", "05:00"),),
        },
        most_at_once=5,
        options={"appName": (), "version": ("1.1", "1.2"), "people": tuple(_SECTIONS)},
        needs=("appName",),
    ),
)
