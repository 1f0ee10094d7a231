"""What stands behind resolved records: voices, match keys, references. In the caller's transaction.

The questions a link or a merge asks; a batch of ordinary changes asks none of them but `holders`.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

import asyncpg

from sis_ingest.adapters.postgres.long_steps import LongSteps
from sis_ingest.adapters.postgres.records import read_resolved
from sis_ingest.domain.deliveries import Place
from sis_ingest.domain.entities import ENTITIES, REFERENCES, Entity, id_space
from sis_ingest.domain.match_keys import MatchKeys, match_keys
from sis_ingest.domain.matching import Holder
from sis_ingest.domain.publish import Resolved, ResolvedKey, Voice
from sis_ingest.domain.runs import Run
from sis_ingest.domain.snapshots import Listing, StagedRow

# Purpose: the source records behind resolved ones. Rows: a few per key. Index: crosswalk_ours,
# then the primary keys of crosswalk and source_record. Who comes back to an id has had it since
# they first had it, so that a merge taken back leaves everything as it was.
_VOICES: Final = """
SELECT k.entity, k.entity_id, c.source_id, c.external_id, f.since, r.data, r.deleted
FROM unnest($2::text[], $3::text[], $4::text[]) AS k(entity, space, entity_id)
CROSS JOIN LATERAL (
    SELECT source_id, external_id FROM sis_ingest.crosswalk
    WHERE district_id = $1 AND entity = k.space AND entity_id = k.entity_id
      AND valid_to IS NULL OFFSET 0) AS c
CROSS JOIN LATERAL (
    SELECT min(valid_from) AS since FROM sis_ingest.crosswalk
    WHERE district_id = $1 AND source_id = c.source_id AND entity = k.space
      AND external_id = c.external_id AND entity_id = k.entity_id) AS f
CROSS JOIN LATERAL (
    SELECT data, deleted FROM sis_ingest.source_record
    WHERE district_id = $1 AND source_id = c.source_id AND entity = k.entity
      AND external_id = c.external_id OFFSET 0) AS r
"""

# Purpose: who carries one of these keys, by the id that stands for them today. Rows: few.
# Index: resolved_record_state_id, _local_id, _email; crosswalk_ours.
_HOLDERS: Final = """
SELECT m.entity_id, r.data, r.deleted AND has.today AS gone
FROM sis_ingest.resolved_record r
CROSS JOIN LATERAL (
    SELECT EXISTS (SELECT FROM sis_ingest.crosswalk WHERE district_id = $1 AND entity = $2
        AND entity_id = r.entity_id AND valid_to IS NULL) AS today) AS has
CROSS JOIN LATERAL (
    SELECT r.entity_id WHERE has.today
    UNION
    SELECT c.entity_id FROM sis_ingest.crosswalk o
    JOIN sis_ingest.crosswalk c ON c.district_id = $1 AND c.source_id = o.source_id
      AND c.entity = $2 AND c.external_id = o.external_id AND c.valid_to IS NULL
    WHERE NOT has.today AND o.district_id = $1 AND o.entity = $2 AND o.entity_id = r.entity_id
) AS m
WHERE r.district_id = $1 AND r.entity = $2
  AND (r.state_id = ANY($3::text[]) OR r.local_id = ANY($4::text[]) OR r.email = ANY($5::text[]))
"""

# Purpose: which records of a source live behind some of our ids; what was linked and is not
# written yet does. Rows: few. Index: as _VOICES.
_LIVE: Final = """
SELECT c.entity_id, c.external_id
FROM sis_ingest.crosswalk c
LEFT JOIN sis_ingest.source_record r
  ON r.district_id = $1 AND r.source_id = c.source_id AND r.entity = $4
 AND r.external_id = c.external_id
WHERE c.district_id = $1 AND c.entity = $4 AND c.entity_id = ANY($3::text[])
  AND c.source_id = $2 AND c.valid_to IS NULL AND r.deleted IS NOT TRUE
"""

# Purpose: carry live source records over to the outside ids that replace theirs, until the source
# words them anew; what lives there already stays. Rows: few. Index: primary key.
_CARRY_OVER: Final = """
INSERT INTO sis_ingest.source_record AS r
    (district_id, source_id, entity, external_id, data, content_hash, occurred_at, deleted,
     delivery_id)
SELECT DISTINCT ON (o.entity, p.new_id)
       $1, $2, o.entity, p.new_id, o.data, ''::bytea, o.occurred_at, false, $6::uuid
FROM unnest($3::text[], $4::text[]) AS p(old_id, new_id)
CROSS JOIN LATERAL (
    SELECT entity, data, occurred_at FROM sis_ingest.source_record
    WHERE district_id = $1 AND source_id = $2 AND entity = ANY($7::text[])
      AND external_id = p.old_id AND NOT deleted OFFSET 0) AS o
ORDER BY o.entity, p.new_id, o.occurred_at DESC
ON CONFLICT (district_id, source_id, entity, external_id) DO UPDATE SET
    data = excluded.data, content_hash = excluded.content_hash, raw_hash = NULL,
    occurred_at = excluded.occurred_at, deleted = false, delivery_id = excluded.delivery_id
WHERE r.deleted AND r.occurred_at < $5
"""

# Purpose: end the source records of outside ids that were replaced. Rows: few. Index: primary key.
_RETIRE: Final = """
UPDATE sis_ingest.source_record
SET deleted = true, occurred_at = greatest(occurred_at, $4), delivery_id = $5
WHERE district_id = $1 AND source_id = $2 AND entity = ANY($6::text[])
  AND external_id = ANY($3::text[])
"""

# Purpose: staged rows never told of before. Rows: one page. Index: snapshot_row_matched; the first
# condition ends a first load at once.
_STRANGERS: Final = """
SELECT s.row_number, s.external_id, s.sort_key, s.content_hash, s.deleted, s.data
FROM sis_ingest.snapshot_row s
WHERE EXISTS (SELECT FROM sis_ingest.resolved_record WHERE district_id = $1 AND entity = $6)
  AND s.district_id = $1 AND s.run_id = $2 AND s.entity = $6 AND NOT s.deleted
  AND s.differs AND s.external_id > $4
  AND NOT EXISTS (
    SELECT FROM sis_ingest.source_record r WHERE r.district_id = $1 AND r.source_id = $3
    AND r.entity = $6 AND r.external_id = s.external_id AND r.data IS NOT NULL)
ORDER BY s.external_id LIMIT $5
"""

# Purpose: how many people a run named by another id. Rows: 1. The run's people are read once, only
# where some were; index of the others: primary key of crosswalk, crosswalk_ours.
_REKEYED: Final = """
SELECT count(DISTINCT c.entity_id) FROM sis_ingest.snapshot_row s
JOIN sis_ingest.crosswalk c ON c.district_id = $1 AND c.source_id = $3 AND c.entity = s.entity
  AND c.external_id = s.external_id AND c.valid_to IS NULL AND c.valid_from >= $4
WHERE s.district_id = $1 AND s.run_id = $2 AND s.entity = 'user' AND NOT s.deleted
  AND EXISTS (
    SELECT FROM sis_ingest.crosswalk o WHERE o.district_id = $1 AND o.source_id = $3
    AND o.entity = s.entity AND o.entity_id = c.entity_id AND o.external_id <> s.external_id
    AND o.valid_to IS NULL)
"""

# Purpose: which outside ids of a source a run names, and which it leaves out or ends. Rows: one per
# id. Index: primary key of source_record, snapshot_row_matched.
_LISTING: Final = """
SELECT k.external_id, found.listed,
       NOT found.newer AND NOT found.listed AND ($7 OR found.ended) AND NOT EXISTS (
           SELECT FROM sis_ingest.source_statement t WHERE t.district_id = $1
           AND t.source_id = $3 AND t.entity = $6 AND t.as_of >= $5) AS absent
FROM unnest($4::text[]) AS k(external_id)
CROSS JOIN LATERAL (SELECT
    EXISTS (SELECT FROM sis_ingest.source_record r WHERE r.district_id = $1
        AND r.source_id = $3 AND r.entity = $6 AND r.external_id = k.external_id
        AND r.occurred_at >= $5) AS newer,
    EXISTS (SELECT FROM sis_ingest.snapshot_row s WHERE s.district_id = $1 AND s.run_id = $2
        AND s.entity = $6 AND s.external_id = k.external_id AND NOT s.deleted) AS listed,
    EXISTS (SELECT FROM sis_ingest.snapshot_row s WHERE s.district_id = $1 AND s.run_id = $2
        AND s.entity = $6 AND s.external_id = k.external_id AND s.deleted) AS ended
    OFFSET 0) AS found
"""

# Purpose: the live records that refer to some of our ids. Rows: all that do. No index: a merge is
# rare, and reads the district's records of the entities that can refer once.
_REFERRING: Final = """
SELECT r.entity, r.entity_id, r.data, r.content_hash, r.deleted, r.correlation_id, r.told
FROM sis_ingest.resolved_record r
WHERE r.district_id = $1 AND NOT r.deleted AND r.entity = ANY($2::text[])
  AND EXISTS (
    SELECT 1 FROM unnest($2::text[], $3::text[]) AS p(entity, path),
                  jsonb_path_query(r.data, p.path::jsonpath) AS found
    WHERE p.entity = r.entity AND found #>> '{}' = ANY($4::text[]))
ORDER BY r.entity, r.entity_id
"""


class PostgresVoices:
    """`ports.Voices`."""

    def __init__(self, driver: asyncpg.Connection, steps: LongSteps) -> None:
        self._driver = driver
        self._steps = steps

    async def behind(self, district_id: str, keys: Sequence[ResolvedKey]) -> Sequence[Voice]:
        """See the port."""
        rows = await self._driver.fetch(
            _VOICES,
            district_id,
            [entity for entity, _ in keys],
            [id_space(entity) for entity, _ in keys],
            [entity_id for _, entity_id in keys],
        )
        return [
            Voice(
                entity=ENTITIES[row["entity"]],
                entity_id=row["entity_id"],
                place=Place(district_id=district_id, source_id=row["source_id"]),
                external_id=row["external_id"],
                since=row["since"],
                record=row["data"],
                deleted=row["deleted"],
            )
            for row in rows
        ]

    async def holders(
        self, district_id: str, space: Entity, keys: Sequence[MatchKeys]
    ) -> Sequence[Holder]:
        """See the port."""
        rows = await self._driver.fetch(
            _HOLDERS,
            district_id,
            space,
            [k.state_id for k in keys if k.state_id is not None],
            [k.local_id for k in keys if k.local_id is not None],
            [k.email for k in keys if k.email is not None],
        )
        return [
            Holder(
                entity_id=row["entity_id"], keys=match_keys(space, row["data"]), gone=row["gone"]
            )
            for row in rows
        ]

    async def live(
        self, place: Place, space: Entity, entity_ids: Sequence[str]
    ) -> Mapping[str, frozenset[str]]:
        """See the port."""
        rows = await self._driver.fetch(
            _LIVE, place.district_id, place.source_id, list(entity_ids), space
        )
        found: dict[str, set[str]] = {}
        for row in rows:
            found.setdefault(row["entity_id"], set()).add(row["external_id"])
        return {ours: frozenset(outside) for ours, outside in found.items()}

    async def rekey(
        self,
        place: Place,
        space: Entity,
        replaced: Mapping[str, str],
        *,
        at: datetime,
        delivery_id: str,
    ) -> None:
        """See the port."""
        old, where = list(replaced), (place.district_id, place.source_id)
        entities = [entity for entity in ENTITIES.values() if id_space(entity) == space]
        new = list(replaced.values())
        await self._driver.execute(_CARRY_OVER, *where, old, new, at, delivery_id, entities)
        await self._driver.execute(_RETIRE, *where, old, at, delivery_id, entities)

    async def staged_strangers(
        self, run: Run, space: Entity, *, after: str, limit: int
    ) -> Sequence[StagedRow]:
        """See the port."""
        place = run.place
        rows = await self._driver.fetch(
            _STRANGERS, place.district_id, run.run_id, place.source_id, after, limit, space
        )
        return [
            StagedRow(
                row=row["row_number"],
                external_id=row["external_id"],
                sort_key=row["sort_key"],
                content_hash=row["content_hash"],
                deleted=row["deleted"],
                body=None if row["data"] is None else row["data"].encode(),
            )
            for row in rows
        ]

    async def staged_listing(
        self, run: Run, space: Entity, external_ids: Sequence[str], *, whole: bool
    ) -> Listing:
        """See the port."""
        place = run.place
        rows = await self._driver.fetch(
            _LISTING,
            place.district_id,
            run.run_id,
            place.source_id,
            list(external_ids),
            run.moment(space),
            space,
            whole,
        )
        absent = frozenset(row["external_id"] for row in rows if row["absent"])
        named = frozenset(row["external_id"] for row in rows if whole or row["listed"])
        return Listing(listed=named - absent, absent=absent)

    async def rekeyed(self, run: Run) -> int:
        """See the port."""
        place = run.place
        return int(
            await self._steps.fetchval(
                _REKEYED, place.district_id, run.run_id, place.source_id, run.started_at
            )
        )

    async def referring(
        self, district_id: str, space: Entity, entity_ids: Sequence[str]
    ) -> Sequence[Resolved]:
        """See the port."""
        paths = [
            (entity, "$." + ".".join((*reference.path, "sourcedId")))
            for entity, references in REFERENCES.items()
            for reference in references
            if reference.entity == space
        ]
        rows = await self._driver.fetch(
            _REFERRING,
            district_id,
            [entity for entity, _ in paths],
            [path for _, path in paths],
            list(entity_ids),
        )
        return [read_resolved(row) for row in rows]
