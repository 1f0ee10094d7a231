"""The demo installation: one made-up district, its neighbours and their secrets, as settings.

Every secret here is published and a production start refuses it. Pure: builds environment
variables for the processes and reads nothing.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from homeroom.emulated import Emulated
from homeroom.given import LISTS, Given
from homeroom.layout import Layout, Ports, local_url
from homeroom.services import SIS_INGEST, Service

DISTRICT = "demo"
SOURCE = "demo-sis"
WEBHOOK_SECRET = "whsec_ZGVtby13ZWJob29rLXNlY3JldA=="  # noqa: S105 - published demo secret
DESK = "demo-desk"
DESK_SECRET = "whsec_ZGVtby1kZXNrLXNlY3JldA=="  # noqa: S105 - published demo secret
VENDOR, VENDOR_SECRET = "demo-vendor", "demo-secret"
VENDOR_KEY, VENDOR_KEY_SECRET = "demo-key", "demo-key-secret"
ONE_SCHOOL, ONE_SCHOOL_SECRET = "one-school", "one-secret"
ONE_SCHOOL_ORG = "school-001"
AGREED, AGREED_SECRET = "by-agreement", "agreed-secret"
HASH_KEY_SECRET = "ZGVtby1oYXNoLWtleS1ub3QtZm9yLXByb2R1Y3Rpb24="  # noqa: S105 - published demo secret
TARGET = "demo-directory"
MAIL_DOMAIN = "demo-district.example"

_SCOPE = "https://purl.imsglobal.org/spec/or/v1p2/scope/"
ALL_SCOPES = tuple(
    f"{_SCOPE}{name}"
    for name in ("roster.readonly", "roster-core.readonly", "roster-demographics.readonly")
)
V1P1_SCOPES = tuple(scope.replace("/v1p2/", "/v1p1/") for scope in ALL_SCOPES)
DIRECTORY_ROLES = (
    "student",
    "teacher",
    "aide",
    "counselor",
    "principal",
    "siteAdministrator",
    "districtAdministrator",
    "systemAdministrator",
    "proctor",
    # What an emulated PowerSchool calls staff who do not teach.
    "ext:staff",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """What the processes of one run need to know. Holds secrets: never print it."""

    layout: Layout
    ports: Ports
    database_url: str
    database_embedded: bool
    operator_public_key: str
    body_key: str
    scim_url: str
    scim_token: str
    kafka_bootstrap: str | None = None
    kafka_prefix: str = ""
    emulated: Emulated | None = None
    one_school_org: str = ONE_SCHOOL_ORG
    given: Given = field(default_factory=Given)

    def variables(self) -> Mapping[str, str]:
        """Return the variables that all processes share; JSON where a setting is a list.

        Raises CommandFailed where a given setting cannot be joined with the demo's.
        """
        targets = [_target(self.scim_url, self.scim_token)]
        return {
            # A leaver is a leaver at once: nobody wants to wait a quarter of an hour in a demo.
            "HOMEROOM_SETTLE_SECONDS": "0",
            # One process of a kind: nobody else takes over what a killed one held until this ends.
            "HOMEROOM_LOG_LEASE_S": "3",
            "HOMEROOM_HASH_KEY": HASH_KEY_SECRET,
            **self.given.others(),
            "HOMEROOM_ENVIRONMENT": "demo",
            "HOMEROOM_HOST": "127.0.0.1",
            "HOMEROOM_DATABASE_URL": self.database_url,
            "HOMEROOM_DATABASE_EMBEDDED": "true" if self.database_embedded else "false",
            "HOMEROOM_OPERATOR_PUBLIC_KEY": self.operator_public_key,
            "HOMEROOM_BODY_KEYS": json.dumps([self.body_key]),
            # One box, one key for what is sealed on it.
            "HOMEROOM_CREDENTIAL_KEYS": json.dumps([self.body_key]),
            "HOMEROOM_SOURCES": self.given.joined("HOMEROOM_SOURCES", self._sources()),
            "HOMEROOM_DESKS": self.given.joined("HOMEROOM_DESKS", _desks()),
            "HOMEROOM_CLIENTS": self.given.joined(
                "HOMEROOM_CLIENTS", _clients(self.one_school_org)
            ),
            "HOMEROOM_TARGETS": self.given.joined("HOMEROOM_TARGETS", targets),
            **self._kafka(),
        }

    def from_outside(self) -> set[str]:
        """Return the names of the given variables that count in this run."""
        used = self.variables()
        given = self.given.variables.items()
        return {name for name, value in given if name in LISTS or used[name] == value}

    def _sources(self) -> list[dict[str, object]]:
        if self.emulated is None:
            return _sources()
        port = self.ports.of(SIS_INGEST.offset)
        return [self.emulated.source(SOURCE, DISTRICT, port=port)]

    def _kafka(self) -> Mapping[str, str]:
        if self.kafka_bootstrap is None:
            return {}
        return {
            "HOMEROOM_KAFKA_BOOTSTRAP": self.kafka_bootstrap,
            "HOMEROOM_KAFKA_TOPIC_PREFIX": self.kafka_prefix,
        }

    def variables_of(self, service: Service) -> Mapping[str, str]:
        """Return what only this process gets: its port and its folder."""
        port = self.ports.of(service.offset)
        return {
            "HOMEROOM_PORT": str(port),
            "HOMEROOM_PUBLIC_URL": local_url(port),
            "HOMEROOM_DATA_DIR": str((self.layout.data / service.name).resolve()),
        }


def _sources() -> list[dict[str, object]]:
    return [
        {"id": SOURCE, "district": DISTRICT, "kind": "generic", "secrets": [WEBHOOK_SECRET]},
        {"id": "demo-hr", "district": DISTRICT, "files": "staff_csv"},
        {
            "id": "demo-forms",
            "district": DISTRICT,
            "kind": "intake",
            "files": "intake",
            "secrets": [WEBHOOK_SECRET],
        },
    ]


def _desks() -> list[dict[str, object]]:
    return [
        {"id": DESK, "district": DISTRICT, "kind": "generic", "secrets": [DESK_SECRET]},
    ]


def _clients(one_school_org: str) -> list[dict[str, object]]:
    return [
        {
            "id": VENDOR,
            "secret": VENDOR_SECRET,
            "district": DISTRICT,
            "scopes": [*ALL_SCOPES, *V1P1_SCOPES],
            "oauth1": {"key": VENDOR_KEY, "secret": VENDOR_KEY_SECRET},
            "schools": None,
            "agreement": "demo-district",
        },
        {
            "id": ONE_SCHOOL,
            "secret": ONE_SCHOOL_SECRET,
            "district": DISTRICT,
            "scopes": [ALL_SCOPES[0]],
            "schools": [one_school_org],
            "fields": ["names", "identifiers"],
            "agreement": "demo-one-school",
            "expires": "2099-06-30T00:00:00Z",
        },
        {
            "id": AGREED,
            "secret": AGREED_SECRET,
            "district": DISTRICT,
            "scopes": list(ALL_SCOPES),
            "schools": None,
            "transform": {
                "email": "hash",
                "username": "hash",
                "birthDate": "year",
                "givenName": "drop",
                "familyName": "drop",
            },
            "agreement": "demo-by-agreement",
            "purpose": "a study that knows nobody",
            "expires": "2099-06-30T00:00:00Z",
        },
    ]


def _target(url: str, token: str) -> dict[str, object]:
    return {
        "id": TARGET,
        "district": DISTRICT,
        "kind": "scim",
        "url": url,
        "token": token,
        "roles": list(DIRECTORY_ROLES),
        "emailDomain": MAIL_DOMAIN,
        "firstConnection": "apply",
        "groups": ["school", "class"],
    }
