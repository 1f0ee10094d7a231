"""What a run can show afterwards: counterparts, counts, ids and times, as one JSON file.

Names and versions come from the counterparts themselves where they speak. No student data.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from homeroom.box import Box
from homeroom.demo.outside import Outside
from homeroom.demo.outsiders.broker import end_offsets
from homeroom.demo.outsiders.directory import requests_by_method
from homeroom.journal import Journal

COLLECTIONS = ("orgs", "users", "classes", "enrollments")
FEATURES = ("patch", "bulk", "filter", "sort", "etag")


@dataclass(slots=True, kw_only=True)
class Evidence:
    """Gathers as the run goes on, so that a run that failed has its part as well."""

    file: Path
    began: datetime
    counterparts: dict[str, Any] = field(default_factory=dict)
    found: dict[str, Any] = field(default_factory=dict)
    restarts: Mapping[str, int] = field(default_factory=dict)
    ended_well: bool = False

    def add_parts(self, box: Box) -> None:
        """Describe what was real in this run."""
        for name, part in (("postgresql", box.postgres), ("kafka", box.kafka)):
            if part is not None:
                self.counterparts[name] = {"version": part.version, "how": part.how}
        if box.scim is not None:
            self.counterparts["directory"] = {"version": box.scim.version, "how": str(box.scim)}

    def add_counterparts(self, box: Box, outside: Outside) -> None:
        """Add what each counterpart counted itself, read once the story is told."""
        if box.scim is not None:
            says = outside.directory.describe()
            about = self.counterparts["directory"]
            about["name"] = "scim2-server"
            about["supports"] = {name: says[name]["supported"] for name in FEATURES if name in says}
            about["requestsInItsLog"] = requests_by_method(box.scim.child.log)
            about["ofTheseReadsByTheDemo"] = outside.directory.requests
        if outside.office is not None:
            self.counterparts["sis"] = outside.office.evidence()
        if box.kafka is not None:
            prefix = box.started().kafka_prefix
            self.counterparts["kafka"]["endOffsets"] = dict(
                end_offsets(box.kafka.bootstrap, prefix=prefix)
            )
        self.counterparts["vendors"] = {
            vendor.client_id: {
                "requests": vendor.requests,
                "xTotalCount": {name: vendor.total(name) for name in COLLECTIONS},
            }
            for vendor in (outside.vendor, outside.one_school)
        }
        self.restarts = box.supervisor.restarts()

    def write(self, journal: Journal) -> None:
        """Write the file; `failedStep` is the step that was under way.

        Writes nothing where even the first step failed: the folder belongs to another run.
        """
        if not journal.done:
            return
        evidence = {
            "began": self.began.isoformat(timespec="milliseconds"),
            "outcome": "ok" if self.ended_well else "failed",
            "failedStep": journal.current.name if journal.current else None,
            "transport": "kafka" if "kafka" in self.counterparts else "postgresql",
            "counterparts": self.counterparts,
            "restarts": self.restarts,
            "found": self.found,
            "steps": [
                {"name": step.name, "ms": round(step.ms or 0.0, 1), "detail": step.detail}
                for step in journal.done
            ],
        }
        self.file.write_text(json.dumps(evidence, indent=2) + "\n", encoding="utf-8")
