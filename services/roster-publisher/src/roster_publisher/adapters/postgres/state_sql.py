"""Statements on derived states: text only, each a set and each filtered by district first."""

from typing import Final


def _claim(table: str, column: str, *more: str) -> str:
    """Takes ready ids of one district out of the queue: live ones first, index (bulk, ready_at).

    Bulk ones are taken where bulk has been quiet, or has gone on since $3: a row per district and
    a probe of the queue's key.
    """
    return f"""
    WITH live AS (
        SELECT district_id, false AS bulk FROM roster_publisher.{table}
        WHERE NOT bulk AND ready_at <= $1 ORDER BY ready_at LIMIT 1
    ), bulk AS (
        SELECT r.district_id, true AS bulk FROM roster_publisher.district_revision r
        WHERE NOT EXISTS (SELECT FROM live)
          AND (coalesce(r.bulk_until, $1) <= $1 OR r.bulk_since <= $3)
          AND EXISTS (SELECT FROM roster_publisher.{table} d
                      WHERE d.district_id = r.district_id AND d.ready_at <= $1)
        ORDER BY r.bulk_until NULLS FIRST LIMIT 1
    ), first AS (
        SELECT * FROM live UNION ALL SELECT * FROM bulk
    ), claimed AS (
        SELECT d.district_id, d.{column} FROM roster_publisher.{table} d
        WHERE d.district_id = (SELECT district_id FROM first) AND d.ready_at <= $1
          AND d.bulk = (SELECT bulk FROM first)
        ORDER BY d.ready_at LIMIT $2 FOR UPDATE SKIP LOCKED
    )
    DELETE FROM roster_publisher.{table} d USING claimed c
    WHERE d.district_id = c.district_id AND d.{column} = c.{column}
    RETURNING d.district_id, d.{column} AS id, d.correlation_id, d.causation_id, d.origin, d.force
        {"".join(f", d.{name}" for name in more)}
    """


CLAIM_PEOPLE: Final = _claim("dirty_person", "person_id", "merged_into")
CLAIM_CLASSES: Final = _claim("dirty_class", "class_id")

REVISION: Final = """
    SELECT revision FROM roster_publisher.district_revision WHERE district_id = $1
"""

# Shown users of a batch. A row per person; primary key.
USERS: Final = """
    SELECT u.sourced_id, u.status, u.record::text AS record
    FROM unnest($2::text[]) AS w(id)
    CROSS JOIN LATERAL (
        SELECT sourced_id, status, record FROM roster_publisher.object
        WHERE district_id = $1 AND entity = 'user' AND sourced_id = w.id COLLATE "C" AND shown
        LIMIT 1) AS u
"""

# Active enrolments of a batch with their active classes. About six rows a student; user_id.
ENROLMENTS: Final = """
    SELECT e.user_id, e.class_id, e.school_id, e.kind, e.record::text AS record, c.course_id,
           c.record ->> 'title' AS title, c.record ->> 'classCode' AS class_code, c.term_ids
    FROM unnest($2::text[]) AS w(id)
    CROSS JOIN LATERAL (
        SELECT user_id, class_id, school_id, kind, record FROM roster_publisher.object
        WHERE district_id = $1 AND user_id = w.id COLLATE "C"
          AND entity = 'enrollment' AND shown AND status = 'active' OFFSET 0) AS e
    CROSS JOIN LATERAL (
        SELECT record, course_id, term_ids FROM roster_publisher.object
        WHERE district_id = $1 AND entity = 'class' AND sourced_id = e.class_id
          AND shown AND status = 'active' LIMIT 1) AS c
"""

ORGS: Final = """
    SELECT sourced_id, record ->> 'name' AS name, kind FROM roster_publisher.object
    WHERE district_id = $1 AND entity = 'org' AND sourced_id = ANY($2::text[]) AND shown
"""

# What was concluded about a batch. Locked, so that a conclusion is drawn once. Primary key.
HELD: Final = """
    SELECT p.*, p.attended::text AS seats FROM unnest($2::text[]) AS w(id)
    CROSS JOIN LATERAL (
        SELECT * FROM roster_publisher.person_state
        WHERE district_id = $1 AND person_id = w.id COLLATE "C" LIMIT 1 FOR UPDATE) AS p
"""

# What was emitted and stepped last stays where this conclusion did neither. A row per person.
KEEP_PEOPLE: Final = """
    INSERT INTO roster_publisher.person_state AS p
        (district_id, revision, person_id, state_hash, phase, role, org_ids, left_due_at,
         left_correlation_id, left_causation_id, left_origin, next_date, attended,
         emitted_at, emitted_correlation_id, step, step_at, step_correlation_id)
    SELECT $1, $2, w.person_id, w.state_hash, w.phase, w.role,
           string_to_array(w.org_ids, E'\\x1f'), w.left_due_at,
           w.left_correlation_id, w.left_causation_id, w.left_origin, w.next_date,
           w.attended::jsonb,
           CASE WHEN w.emitted_correlation_id IS NOT NULL THEN $3::timestamptz END,
           w.emitted_correlation_id,
           w.step, CASE WHEN w.step IS NOT NULL THEN $3::timestamptz END, w.step_correlation_id
    FROM unnest($4::text[], $5::bytea[], $6::text[], $7::text[], $8::text[], $9::timestamptz[],
                $10::text[], $11::text[], $12::text[], $13::date[], $14::text[],
                $15::text[], $16::text[], $17::text[])
        AS w(person_id, state_hash, phase, role, org_ids, left_due_at,
             left_correlation_id, left_causation_id, left_origin, next_date, attended,
             emitted_correlation_id, step, step_correlation_id)
    ON CONFLICT (district_id, person_id) DO UPDATE SET
        revision = excluded.revision, state_hash = excluded.state_hash, phase = excluded.phase,
        role = excluded.role, org_ids = excluded.org_ids, left_due_at = excluded.left_due_at,
        left_correlation_id = excluded.left_correlation_id,
        left_causation_id = excluded.left_causation_id, left_origin = excluded.left_origin,
        next_date = excluded.next_date, attended = excluded.attended,
        emitted_at = coalesce(excluded.emitted_at, p.emitted_at),
        emitted_correlation_id =
            coalesce(excluded.emitted_correlation_id, p.emitted_correlation_id),
        step = coalesce(excluded.step, p.step), step_at = coalesce(excluded.step_at, p.step_at),
        step_correlation_id = coalesce(excluded.step_correlation_id, p.step_correlation_id)
"""

# Shown classes of a batch with the names around them. A row per class; primary keys.
CLASSES: Final = """
    SELECT c.sourced_id, c.status, c.record::text AS record, c.course_id, c.school_id,
           course.record ->> 'title' AS course_title, school.record ->> 'name' AS school_name,
           (SELECT jsonb_agg(jsonb_build_array(t.sourced_id, t.record -> 'title',
                       t.record -> 'startDate', t.record -> 'endDate') ORDER BY t.sourced_id)::text
            FROM roster_publisher.object t
            WHERE t.district_id = $1 AND t.entity = 'academicSession'
              AND t.sourced_id = ANY(c.term_ids) AND t.shown) AS terms
    FROM roster_publisher.object c
    LEFT JOIN roster_publisher.object course ON course.district_id = $1
     AND course.entity = 'course' AND course.sourced_id = c.course_id
    LEFT JOIN roster_publisher.object school ON school.district_id = $1
     AND school.entity = 'org' AND school.sourced_id = c.school_id
    WHERE c.district_id = $1 AND c.entity = 'class' AND c.sourced_id = ANY($2::text[]) AND c.shown
"""

CLASS_HASHES: Final = """
    SELECT class_id, state_hash FROM roster_publisher.class_state
    WHERE district_id = $1 AND class_id = ANY($2::text[]) ORDER BY class_id FOR UPDATE
"""

KEEP_CLASSES: Final = """
    INSERT INTO roster_publisher.class_state (district_id, revision, class_id, state_hash)
    SELECT $1, $2, * FROM unnest($3::text[], $4::bytea[])
    ON CONFLICT (district_id, class_id) DO UPDATE SET
        revision = excluded.revision, state_hash = excluded.state_hash
"""
