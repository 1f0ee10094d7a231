"""How the demo's source is told to read an emulated SIS. Pure: settings and ids, no I/O."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from homeroom.layout import local_url

Face = Literal["powerschool", "infinitecampus"]
FACES: Final[tuple[Face, ...]] = ("powerschool", "infinitecampus")
MOST_STUDENTS: Final = 15_000
# Published like every secret of the demo; a production start refuses it.
WEBHOOK_SECRET: Final = "demo-powerschool-secret"  # noqa: S105 - published demo secret

Record = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Emulated:
    """One product as the demo meets it: how it is read, and how its records are keyed with us.

    `told` are addresses and secrets, `schools` the office's own records of them.
    """

    face: Face
    told: Mapping[str, str]
    schools: Sequence[Record] = ()

    @property
    def hints(self) -> bool:
        """Whether it notifies of changes; else it is polled."""
        return self.face == "powerschool"

    def source(self, source_id: str, district: str, *, port: int) -> dict[str, object]:
        """The source's settings; `port` is that of sis-ingest."""
        pull: dict[str, object] = {
            "clientId": self.told["clientId"],
            "clientSecret": self.told["clientSecret"],
            "concurrency": 4,
        }
        if self.face == "powerschool":
            callback = f"{local_url(port)}/webhooks/{source_id}"
            return {
                "id": source_id,
                "district": district,
                "kind": "powerschool",
                "secrets": [WEBHOOK_SECRET],
                "pull": {
                    **pull,
                    "baseUrl": self.told["url"],
                    # What notifications lose comes with the story's own pull.
                    "deltaEverySeconds": 86_400,
                    "options": {"callbackUrl": callback},
                },
            }
        return {
            "id": source_id,
            "district": district,
            "kind": "infinite_campus",
            "pull": {
                **pull,
                "baseUrl": self.told["oneRoster12Url"],
                "tokenUrl": self.told["tokenUrl"].partition("?")[0],
                "options": {"appName": "homeroom"},
                # A district asks nightly, off-peak; nobody wants to wait for the night in a demo.
                "deltaEverySeconds": 1,
                "windows": [],
            },
        }

    def our_id(self, record: Record) -> str | None:
        """The id under which we know a record of the office; None for what is not shown to us."""
        if self.face == "infinitecampus":
            found = record["sourcedIds"].get("oneRoster12")
            return None if found is None else str(found)
        word = _WORDS.get(str(record["table"]))
        return None if word is None else f"{word}-{record['dcid']}"

    def first_school(self) -> str:
        """Our id of the school whose vendor is the one-school vendor: the office's first."""
        return str(self.our_id(min(self.schools, key=lambda one: int(one["dcid"]))))


_WORDS: Final[Mapping[str, str]] = {
    "schools": "school",
    "sections": "section",
    "students": "student",
    "staff": "staff",
    "enrolments": "enrollment",
}
