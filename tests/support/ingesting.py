"""What tests of sis-ingest send: changes, signed webhooks, and OneRoster CSV packages."""

import base64
import hashlib
import hmac
import io
import zipfile
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
from standardwebhooks import Webhook

from sis_ingest.domain.changes import Cause, Change
from sis_ingest.domain.deliveries import Place
from sis_ingest.domain.entities import Entity
from sis_ingest.domain.records import Record, canonical, content_hash, to_bytes
from sis_ingest.domain.runs import Run

NOW = datetime(2026, 9, 1, 8, tzinfo=UTC)
# Of a snapshot whose rows a test stages by itself.
RUN = Run(
    run_id="01900000-0000-7000-8000-000000000001",
    delivery_id="01900000-0000-7000-8000-000000000002",
    correlation_id="c",
    place=Place(district_id="d1", source_id="sis"),
    state="running",
    origin="snapshot",
    file_name="f",
    file_bytes=0,
    sha256="",
    received_at=NOW,
    as_of=NOW,
)
CAUSE = Cause(correlation_id="c", delivery_id="d", origin="webhook")
SECRET = "whsec_" + "dGVzdC1zZWNyZXQtb2Ytc2lzLWluZ2VzdA=="
OTHER_SECRET = "whsec_" + "YW5vdGhlci1zZWNyZXQtb2Ytc2lzLWluZ2VzdA=="

Rows = Sequence[Sequence[str]]


def user(sourced_id: str, *, given: str = "Ada", org: str = "school-1") -> Record:
    """A student as a webhook has one."""
    return {
        "sourcedId": sourced_id,
        "enabledUser": True,
        "givenName": given,
        "familyName": "Byron",
        "roles": [{"roleType": "primary", "role": "student", "org": {"sourcedId": org}}],
    }


def enrollment(sourced_id: str, *, user_id: str, class_id: str = "class-1") -> Record:
    """A student in a class."""
    return {
        "sourcedId": sourced_id,
        "user": {"sourcedId": user_id},
        "class": {"sourcedId": class_id},
        "school": {"sourcedId": "school-1"},
        "role": "student",
    }


def change(
    record: Record | None,
    *,
    entity: Entity = "user",
    external_id: str = "u1",
    at: int = 0,
    version: int | None = None,
    deleted: bool = False,
) -> Change:
    """A change `at` seconds after NOW; `record` None is a bare deletion."""
    content = None if record is None else canonical(record)
    return Change(
        entity=entity,
        external_id=external_id if record is None else record["sourcedId"],
        record=content,
        content_hash=b"" if content is None else content_hash(to_bytes(content)),
        deleted=deleted or record is None,
        version=version,
        occurred_at=NOW + timedelta(seconds=at),
        cause=CAUSE,
    )


def envelope(kind: str, data: Record, *, at: datetime = NOW, **more: Any) -> bytes:
    """A generic webhook's body."""
    return orjson.dumps({"type": kind, "occurredAt": at.isoformat(), "data": data, **more})


def signed(body: bytes, *, webhook_id: str, at: datetime, secret: str = SECRET) -> dict[str, str]:
    """Headers as the Standard Webhooks library makes them: a witness that is not ours."""
    return {
        "webhook-id": webhook_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(secret).sign(webhook_id, at, body.decode()),
        "content-type": "application/json",
    }


def signed_bytes(body: bytes, *, webhook_id: str, at: datetime) -> dict[str, str]:
    """The same for bytes that are no text, which the library does not sign."""
    stamp = str(int(at.timestamp()))
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    digest = hmac.new(key, f"{webhook_id}.{stamp}.".encode() + body, hashlib.sha256).digest()
    return {
        "webhook-id": webhook_id,
        "webhook-timestamp": stamp,
        "webhook-signature": "v1," + base64.b64encode(digest).decode(),
        "content-type": "application/json",
    }


def csv(*rows: Sequence[str]) -> bytes:
    """Rows as CSV, every cell quoted."""
    return "".join(",".join(f'"{cell}"' for cell in row) + "\r\n" for row in rows).encode()


def package(files: Mapping[str, bytes]) -> bytes:
    """A zip of these files."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return made.getvalue()


def manifest(version: str, modes: Mapping[str, str]) -> bytes:
    """A manifest that states `modes` by file name."""
    return csv(
        ("propertyName", "value"),
        ("manifest.version", "1.0"),
        ("oneroster.version", version),
        *((f"file.{name}", mode) for name, mode in modes.items()),
    )


ORGS = ("sourcedId", "status", "dateLastModified", "name", "type", "identifier", "parentSourcedId")
USERS = (
    "sourcedId", "status", "dateLastModified", "enabledUser", "orgSourcedIds", "role", "username",
    "userIds", "givenName", "familyName", "middleName", "identifier", "email", "sms", "phone",
    "agentSourcedIds", "grades", "password",
)  # fmt: skip
SESSIONS = (
    "sourcedId", "status", "dateLastModified", "title", "type", "startDate", "endDate",
    "parentSourcedId", "schoolYear",
)  # fmt: skip
COURSES = (
    "sourcedId", "status", "dateLastModified", "schoolYearSourcedId", "title", "courseCode",
    "grades", "orgSourcedId", "subjects", "subjectCodes",
)  # fmt: skip
CLASSES = (
    "sourcedId", "status", "dateLastModified", "title", "grades", "courseSourcedId", "classCode",
    "classType", "location", "schoolSourcedId", "termSourcedIds", "subjects", "subjectCodes",
    "periods",
)  # fmt: skip
ENROLLMENTS = (
    "sourcedId", "status", "dateLastModified", "classSourcedId", "schoolSourcedId",
    "userSourcedId", "role", "primary", "beginDate", "endDate",
)  # fmt: skip


def org_row(sourced_id: str, kind: str = "school") -> Sequence[str]:
    """A row of orgs.csv."""
    return (sourced_id, "", "", f"Org {sourced_id}", kind, sourced_id, "")


def user_row(sourced_id: str, *, given: str = "Ada", role: str = "student") -> Sequence[str]:
    """A row of users.csv 1.1."""
    return (
        sourced_id, "", "", "true", "school-1", role, sourced_id, "", given, "Byron", "", "", "",
        "", "", "", "05", "hunter2",
    )  # fmt: skip


def keyed_row(sourced_id: str, number: str, **more: str) -> Sequence[str]:
    """A row of users.csv with a local number, by which a person is recognised."""
    row = list(user_row(sourced_id, **more))
    row[USERS.index("identifier")] = number
    return tuple(row)


def enrollment_row(sourced_id: str, user_id: str) -> Sequence[str]:
    """A row of enrollments.csv."""
    return (sourced_id, "", "", "class-1", "school-1", user_id, "student", "", "2026-08-17", "")


def district(people: Rows = (), enrolled: Rows = (), **replaced: bytes | None) -> bytes:
    """A 1.1 package of one small school; `replaced` swaps a whole file, None leaves it out."""
    people = people or [user_row("u1"), user_row("u2")]
    files: dict[str, bytes | None] = {
        "orgs": csv(ORGS, org_row("district-1", "district"), org_row("school-1")),
        "academicSessions": csv(
            SESSIONS,
            ("term-1", "", "", "Fall", "term", "2026-08-17", "2026-12-20", "", "2027"),
        ),
        "courses": csv(
            COURSES, ("course-1", "", "", "", "Art", "ART", "05", "school-1", "Art", "1")
        ),
        "classes": csv(
            CLASSES,
            (
                "class-1", "", "", "Art 5", "05", "course-1", "A5", "Scheduled", "", "school-1",
                "term-1", "", "", "1",
            ),
        ),
        "users": csv(USERS, *people),
        "enrollments": csv(
            ENROLLMENTS,
            *(enrolled or [enrollment_row(f"e-{row[0]}", row[0]) for row in people]),
        ),
    }  # fmt: skip
    demographics = "absent" if replaced.get("demographics") is None else "bulk"
    modes = dict.fromkeys(files, "bulk") | {"demographics": demographics}
    found = {
        f"{name}.csv": body for name, body in {**files, **replaced}.items() if body is not None
    }
    return package({"manifest.csv": manifest("1.1", modes), **found})
