"""`GET /trace` of this service: steps of a delivery, copies of a person. Reads only, ids only."""

from collections.abc import Sequence
from typing import Final

from roster_common.runtime.database import Database
from roster_common.runtime.trace import Copy, Step
from sis_ingest.domain.identity import candidate_id

# Each part gives (at, what, district_id, id_kind, id, count, detail) for a correlation id ($1) and
# districts ($2, null for all). A further table of this service with effects is one part more.
_DELIVERIES: Final = """
SELECT received_at AS at, 'delivery.accepted' AS what, district_id, 'delivery' AS id_kind,
       delivery_id::text AS id, source_id, NULL::bigint AS count, kind AS detail
FROM sis_ingest.delivery
WHERE correlation_id = $1 AND ($2::text[] IS NULL OR district_id = ANY($2))
UNION ALL
SELECT applied_at, 'delivery.' || state, district_id, 'delivery', delivery_id::text, source_id,
       NULL, reason
FROM sis_ingest.delivery
WHERE correlation_id = $1 AND ($2::text[] IS NULL OR district_id = ANY($2))
  AND kind = 'webhook' AND applied_at IS NOT NULL
"""
_RUNS: Final = """
SELECT r.received_at, 'run.accepted', r.district_id, 'run', r.run_id::text, r.source_id,
       NULL::bigint, r.origin
FROM sis_ingest.delivery d
JOIN sis_ingest.run r ON r.run_id::text = substr(d.external_id, 5)
WHERE d.correlation_id = $1 AND ($2::text[] IS NULL OR d.district_id = ANY($2))
  AND d.kind = 'snapshot'
UNION ALL
SELECT r.finished_at, 'run.' || r.state, r.district_id, 'run', r.run_id::text, r.source_id,
       (SELECT coalesce(sum((c.value ->> 'changed')::bigint), 0)
        FROM jsonb_each(r.report -> 'collections') c), r.reason
FROM sis_ingest.delivery d
JOIN sis_ingest.run r ON r.run_id::text = substr(d.external_id, 5)
WHERE d.correlation_id = $1 AND ($2::text[] IS NULL OR d.district_id = ANY($2))
  AND d.kind = 'snapshot' AND r.finished_at IS NOT NULL
"""
_CHANGES: Final = """
SELECT at, 'records.changed', district_id, entity, first_id, NULL, records::bigint, NULL
FROM sis_ingest.record_effect
WHERE correlation_id = $1 AND ($2::text[] IS NULL OR district_id = ANY($2))
"""

# A hold is found by what opened it; what else waits in it, by itself, as long as it waits.
_HOLDS: Final = """
SELECT created_at, 'hold.opened', district_id, 'hold', hold_id::text, source_id, count::bigint,
       entity || '.' || operation
FROM sis_ingest.hold
WHERE correlation_id = $1 AND ($2::text[] IS NULL OR district_id = ANY($2))
UNION ALL
SELECT done_at, 'hold.' || CASE state WHEN 'approved' THEN 'released' ELSE state END, district_id,
       'hold', hold_id::text, source_id, CASE state WHEN 'approved' THEN released ELSE count END,
       reason
FROM sis_ingest.hold
WHERE correlation_id = $1 AND ($2::text[] IS NULL OR district_id = ANY($2))
  AND done_at IS NOT NULL
UNION ALL
SELECT max(coalesce(d.applied_at, d.received_at)), 'hold.waits', h.district_id, 'hold',
       h.hold_id::text, h.source_id, count(*), h.entity || '.' || h.operation
FROM sis_ingest.hold_item i
JOIN sis_ingest.hold h ON h.district_id = i.district_id AND h.hold_id = i.hold_id
JOIN sis_ingest.delivery d ON d.district_id = i.district_id AND d.delivery_id = i.delivery_id
WHERE i.correlation_id = $1 AND h.correlation_id <> $1
  AND ($2::text[] IS NULL OR i.district_id = ANY($2))
GROUP BY h.district_id, h.hold_id
"""

# Purpose: what a delivery caused. Rows: up to the limit. Index: delivery_correlation,
# record_effect_correlation, hold_correlation, hold_item_correlation. The order breaks ties of the
# clock by what comes first in the flow.
# house: no-district — a correlation id is looked for in every district the caller may see
_STEPS: Final = f"""
SELECT * FROM (SELECT 1 AS part, p.* FROM ({_DELIVERIES}) p
UNION ALL SELECT 2, p.* FROM ({_RUNS}) p
UNION ALL SELECT 3, p.* FROM ({_HOLDS}) p
UNION ALL SELECT 4, p.* FROM ({_CHANGES}) p) steps
ORDER BY at, part, what LIMIT $3
"""

# Purpose: what the sources say of a person, demographics beside it where there are any. Rows: few.
# Index: crosswalk_ours is by district; a token of every district looks through all of them.
# house: no-district — as above
_SOURCE_COPIES: Final = """
SELECT c.district_id, c.source_id, c.external_id, c.match_rule, c.valid_from, r.deleted,
       d.received_at, d.correlation_id, e.entity
FROM sis_ingest.crosswalk c
CROSS JOIN (VALUES ('user', 1), ('demographics', 2)) AS e (entity, place)
LEFT JOIN sis_ingest.source_record r
  ON r.district_id = c.district_id AND r.source_id = c.source_id AND r.entity = e.entity
 AND r.external_id = c.external_id
LEFT JOIN sis_ingest.delivery d
  ON d.district_id = r.district_id AND d.delivery_id = r.delivery_id
WHERE ($2::text[] IS NULL OR c.district_id = ANY($2)) AND c.entity = 'user' AND c.entity_id = $1
  AND c.valid_to IS NULL AND (e.entity = 'user' OR r.entity IS NOT NULL)
ORDER BY c.district_id, c.valid_from, c.source_id, c.external_id, e.place
"""

# Purpose: the resolved records of a person. Rows: up to two per district. Index: primary key.
# house: no-district — as above
_RESOLVED_COPIES: Final = """
SELECT district_id, entity_id, CASE WHEN told THEN deleted END AS deleted, changed_at,
       correlation_id, entity
FROM sis_ingest.resolved_record
WHERE ($2::text[] IS NULL OR district_id = ANY($2)) AND entity IN ('user', 'demographics')
  AND entity_id = $1
ORDER BY district_id, entity DESC
"""


_KINDS: Final = {
    ("source_record", "user"): "source_record",
    ("source_record", "demographics"): "source_demographics",
    ("resolved_record", "user"): "resolved_record",
    ("resolved_record", "demographics"): "resolved_demographics",
}


class PostgresTracer:
    """`trace.Tracer`, on the raw read pool."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def steps(
        self, correlation_id: str, *, districts: Sequence[str] | None, limit: int
    ) -> Sequence[Step]:
        """See the protocol."""
        pool = await self._database.pool()
        rows = await pool.fetch(_STEPS, correlation_id, _array(districts), limit)
        return [
            Step(
                at=row["at"],
                what=row["what"],
                district=row["district_id"],
                ids={
                    row["id_kind"]: row["id"],
                    **({} if row["source_id"] is None else {"source": row["source_id"]}),
                },
                count=row["count"],
                detail=row["detail"],
            )
            for row in rows
        ]

    async def copies(self, person_id: str, *, districts: Sequence[str] | None) -> Sequence[Copy]:
        """See the protocol: the source records behind the person, and the resolved ones.

        The state of an outside id that was only referred to so far is `referred`.
        """
        pool = await self._database.pool()
        sources = await pool.fetch(_SOURCE_COPIES, person_id, _array(districts))
        resolved = await pool.fetch(_RESOLVED_COPIES, person_id, _array(districts))
        states = {None: "referred", False: "active", True: "deleted"}
        return [
            *(
                Copy(
                    kind=_KINDS["source_record", row["entity"]],
                    where=row["source_id"],
                    district=row["district_id"],
                    # One that could not be ours may be an address; `GET /crosswalk` tells it.
                    id=candidate_id(row["external_id"]) or person_id,
                    state=states[row["deleted"]],
                    at=row["received_at"] or row["valid_from"],
                    correlation_id=row["correlation_id"],
                    detail=row["match_rule"],
                )
                for row in sources
            ),
            *(
                Copy(
                    kind=_KINDS["resolved_record", row["entity"]],
                    where="resolved",
                    district=row["district_id"],
                    id=row["entity_id"],
                    state="silent" if row["deleted"] is None else states[row["deleted"]],
                    at=row["changed_at"],
                    correlation_id=row["correlation_id"],
                )
                for row in resolved
            ),
        ]


def _array(districts: Sequence[str] | None) -> list[str] | None:
    return None if districts is None else list(districts)
