-- name: lock_assistant
-- Keeps it from being deleted before the cron that names it is stored. By its own id before a graph's.
-- $1 tenant, $2 the name that was given, $3 the id of the default assistant of a graph of that name
SELECT a.assistant_id
FROM assistants a
WHERE a.tenant = $1 AND a.assistant_id IN ($2, $3)
ORDER BY a.assistant_id = $2 DESC
LIMIT 1
FOR KEY SHARE

-- name: make_thread
-- $1 tenant, $2 thread_id, $3 strategy and $4 length of its time to live, or nulls
INSERT INTO threads (tenant, thread_id, ttl_strategy, ttl)
VALUES ($1, $2, $3, $4)
ON CONFLICT DO NOTHING

-- name: lock_thread
-- As lock_assistant.
-- $1 tenant, $2 thread_id
SELECT true
FROM threads t
WHERE t.tenant = $1 AND t.thread_id = $2
FOR KEY SHARE

-- name: now
SELECT now()

-- name: create
-- No row: the id is taken.
-- $1 tenant, $2 cron_id, $3 assistant_id, $4 thread_id, $5 schedule, $6 time_zone, $7 request, $8 digest, $9 metadata,
-- $10 enabled, $11 end_at, $12 next_tick_at
INSERT INTO crons (
    tenant, cron_id, assistant_id, thread_id, schedule, time_zone, request, request_digest, metadata,
    enabled, end_at, next_tick_at
)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
ON CONFLICT (tenant, cron_id) DO NOTHING
RETURNING {cron_columns}

-- name: get_created
-- A cron that a request to create it has met.
-- $1 tenant, $2 cron_id, $3 digest
SELECT request_digest = $3 AS same_request, {cron_columns}
FROM crons
WHERE tenant = $1 AND cron_id = $2

-- name: get
-- $1 tenant, $2 cron_id
SELECT {cron_columns}
FROM crons
WHERE tenant = $1 AND cron_id = $2

-- name: lock
-- $1 tenant, $2 cron_id
SELECT now() AS now, schedule, time_zone, enabled, end_at, next_tick_at
FROM crons
WHERE tenant = $1 AND cron_id = $2
FOR UPDATE

-- name: update
-- $1 tenant, $2 cron_id, $3 schedule, $4 time_zone, $5 enabled, $6 end_at, $7 next_tick_at, $8 metadata or NULL,
-- $9 request or NULL, $10 its assistant_id, $11 its thread_id
UPDATE crons
SET schedule = $3, time_zone = $4, enabled = $5, end_at = $6, next_tick_at = $7,
    metadata = metadata || COALESCE($8::jsonb, '{{}}'),
    request = COALESCE($9::bytea, request),
    assistant_id = CASE WHEN $9::bytea IS NULL THEN assistant_id ELSE $10 END,
    thread_id = CASE WHEN $9::bytea IS NULL THEN thread_id ELSE $11 END,
    updated_at = clock_timestamp()
WHERE tenant = $1 AND cron_id = $2
RETURNING {cron_columns}

-- name: delete
-- $1 tenant, $2 cron_id
DELETE FROM crons
WHERE tenant = $1 AND cron_id = $2
RETURNING cron_id

-- name: list
-- For each order: {key} is what it is sorted by, and {none} what stands for NULL, so that this comes last.
-- $1 to $5 as in count, $6 key and $7 cron_id of the row before the page or NULL, $8 limit
SELECT {cron_columns}
FROM crons
WHERE {conditions}
AND ($7::text IS NULL OR ({key}, cron_id) {beyond} (COALESCE($6::timestamptz, {none}), $7))
ORDER BY {key} {direction}, cron_id {direction}
LIMIT $8

-- name: count
-- $1 tenant, $2 assistant_ids or NULL, $3 thread_id or NULL, $4 enabled or NULL, $5 metadata_contains or NULL
SELECT count(*)
FROM crons
WHERE {conditions}

-- name: conditions
tenant = $1
AND ($2::text[] IS NULL OR assistant_id = ANY($2))
AND ($3::text IS NULL OR thread_id = $3)
AND ($4::boolean IS NULL OR enabled = $4)
AND ($5::jsonb IS NULL OR metadata @> $5)
