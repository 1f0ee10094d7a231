"""A district whose view by one grant is worked out beside the publisher, commit by commit."""

import copy

from tests.support.publishing import Publishing
from tests.support.view_oracle import Key, Row, ViewOracle


class District:
    """The publisher and a grant's oracle, fed with the same commits; `at` keeps its rows by
    revision.
    """

    def __init__(self, publishing: Publishing, name: str, oracle: ViewOracle) -> None:
        self.publishing = publishing
        self.name = name
        self.records: dict[Key, Row] = {}
        self.oracle = oracle
        self.at: dict[int, dict[Key, Row]] = {}
        self.stamps: list[str] = []

    async def commit(self, facts: dict[Key, Row | None]) -> None:
        """One batch; the oracle is told what changed and nothing else."""
        wanted = {
            key: (dict(record), "active")
            if record is not None
            else (plain(self.records[key]), "tobedeleted")
            for key, record in facts.items()
            if record is not None or key in self.records
        }
        changed = {
            key: one
            for key, one in wanted.items()
            if key not in self.records
            or (plain(self.records[key]), self.records[key]["_status"]) != one
        }
        applied = await self.publishing.publish(
            *(
                (key[0], key[1] if facts[key] is None else record)
                for key, (record, _) in wanted.items()
            ),
            district=self.name,
        )
        assert (applied.revision is None) == (not changed)
        if applied.revision is None:
            return
        stamp = f"{self.publishing.clock.now():%Y-%m-%dT%H:%M:%S}.000Z"
        for key, (record, status) in changed.items():
            marks = {"_status": status, "_stamp": stamp, "_revision": applied.revision}
            self.records[key] = record | marks
        self.look(applied.revision, set(changed))

    def look(self, revision: int, changed: set[Key]) -> None:
        """The oracle looks at what the newest commit changed."""
        stamp = f"{self.publishing.clock.now():%Y-%m-%dT%H:%M:%S}.000Z"
        self.stamps.append(stamp)
        self.oracle.commit(revision, stamp, changed, self.records)
        self.at[revision] = copy.deepcopy(self.oracle.rows)


def plain(record: Row) -> Row:
    """The record without the marks of the oracle."""
    return {k: v for k, v in record.items() if not k.startswith("_")}
