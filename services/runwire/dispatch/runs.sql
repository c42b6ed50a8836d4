-- name: create
-- Stores a run, unless the assistant that it was made from is not the one in the table any more: another version, made
-- anew under the same id, or hidden by an assistant that bears the graph's id.
-- $1 run_id, $2 tenant, $3 thread_id, $4 create_thread, $5 assistant_id, $6 assistant_version, $7 graph_id, $8 strategy,
-- $9 delay, $10 request, $11 digest, $12 base_metadata, $13 metadata, $14 event_log, $15 run_timeout,
-- $16 the assistant's created_at, $17 the name that the caller gave
SELECT outcome, {run_columns}, ready
FROM create_run(
    $1, $2, $3, $4, $5,
    (
        SELECT a.version FROM assistants a
        WHERE a.tenant = $2 AND a.assistant_id = $5 AND a.version = $6 AND a.created_at = $16
        AND ($17 = $5 OR NOT EXISTS (SELECT 1 FROM assistants n WHERE n.tenant = $2 AND n.assistant_id = $17))
    ),
    $7, $8, $9, $10, $11, $12, $13, $14, NULL, $15
) AS c
CROSS JOIN LATERAL (SELECT (c.run).*) AS r

-- name: created_before
-- A run that an earlier call with the same id has stored.
-- $1 tenant, $2 run_id, $3 digest
SELECT CASE WHEN request_digest = $3 THEN 'exists' ELSE 'id_reused' END AS outcome, {run_columns}, ready
FROM runs
WHERE tenant = $1 AND run_id = $2

-- name: get
-- $1 tenant, $2 run_id
SELECT {run_columns}
FROM runs
WHERE tenant = $1 AND run_id = $2

-- name: cancel
-- $1 tenant, $2 run_id, $3 action
SELECT outcome, promoted_graph_id, {run_columns}, worker_id
FROM cancel_run($1, $2, $3) AS c
CROSS JOIN LATERAL (SELECT (c.run).*) AS r

-- name: list_newest_first
-- The four lists differ in what an index has to serve: the order, and whether they stay within a thread.
-- $1 tenant, $2 statuses or NULL, $3 assistant_id or NULL, $4 metadata_contains or NULL,
-- $5 created_at and $6 run_id of the row before the page or NULL, $7 limit
SELECT {run_columns}
FROM runs
WHERE tenant = $1
AND (created_at, run_id) < (COALESCE($5::timestamptz, 'infinity'), COALESCE($6::uuid, '00000000-0000-0000-0000-000000000000'))
AND ($2::text[] IS NULL OR status = ANY($2))
AND ($3::text IS NULL OR assistant_id = $3)
AND ($4::jsonb IS NULL OR metadata @> $4)
ORDER BY created_at DESC, run_id DESC
LIMIT $7

-- name: list_oldest_first
-- As list_newest_first.
SELECT {run_columns}
FROM runs
WHERE tenant = $1
AND (created_at, run_id) > (COALESCE($5::timestamptz, '-infinity'), COALESCE($6::uuid, '00000000-0000-0000-0000-000000000000'))
AND ($2::text[] IS NULL OR status = ANY($2))
AND ($3::text IS NULL OR assistant_id = $3)
AND ($4::jsonb IS NULL OR metadata @> $4)
ORDER BY created_at, run_id
LIMIT $7

-- name: list_of_thread_newest_first
-- As list_newest_first, and $8 thread_id.
SELECT {run_columns}
FROM runs
WHERE tenant = $1 AND thread_id = $8
AND (created_at, run_id) < (COALESCE($5::timestamptz, 'infinity'), COALESCE($6::uuid, '00000000-0000-0000-0000-000000000000'))
AND ($2::text[] IS NULL OR status = ANY($2))
AND ($3::text IS NULL OR assistant_id = $3)
AND ($4::jsonb IS NULL OR metadata @> $4)
ORDER BY created_at DESC, run_id DESC
LIMIT $7

-- name: list_of_thread_oldest_first
-- As list_newest_first, and $8 thread_id.
SELECT {run_columns}
FROM runs
WHERE tenant = $1 AND thread_id = $8
AND (created_at, run_id) > (COALESCE($5::timestamptz, '-infinity'), COALESCE($6::uuid, '00000000-0000-0000-0000-000000000000'))
AND ($2::text[] IS NULL OR status = ANY($2))
AND ($3::text IS NULL OR assistant_id = $3)
AND ($4::jsonb IS NULL OR metadata @> $4)
ORDER BY created_at, run_id
LIMIT $7
