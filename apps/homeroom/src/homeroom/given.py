"""Settings of a person's own that `homeroom up` carries beside the demo's. Pure; holds secrets."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from homeroom.errors import CommandFailed

# Lists in which the demo has entries of its own.
LISTS: Final = ("HOMEROOM_SOURCES", "HOMEROOM_CLIENTS", "HOMEROOM_TARGETS", "HOMEROOM_DESKS")

Entry = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """Variables as the environment has them; by default there are none. Never print a value."""

    variables: Mapping[str, str] = field(default_factory=dict)

    def districts(self) -> set[str]:
        """Return the districts that the entries name; raises CommandFailed as `joined` does."""
        entries = (entry for name in LISTS for entry in self._entries(name))
        return {str(entry["district"]) for entry in entries if "district" in entry}

    def joined(self, name: str, own: Sequence[Entry]) -> str:
        """Return the list `own` and the given entries as JSON; a given one replaces its namesake.

        Raises CommandFailed, naming the variable only, where it holds no list of entries with ids.
        """
        entries = {str(entry["id"]): entry for entry in (*own, *self._entries(name))}
        return json.dumps(list(entries.values()))

    def others(self) -> Mapping[str, str]:
        """Return the variables that are none of the lists."""
        return {name: value for name, value in self.variables.items() if name not in LISTS}

    def _entries(self, name: str) -> list[Entry]:
        try:
            entries = json.loads(self.variables.get(name) or "[]")
        except ValueError:
            entries = None
        if not isinstance(entries, list) or not all(
            isinstance(entry, dict) and "id" in entry for entry in entries
        ):
            raise CommandFailed(f"{name} is no JSON list of entries with an id")
        return entries
