-- name: get
-- $1 tenant, $2 run_id
SELECT {run_columns}
FROM runs
WHERE tenant = $1 AND run_id = $2

-- name: delete
-- Deletes a run that has ended. No row: there is no such run.
-- $1 tenant, $2 run_id
WITH found AS (
    SELECT run_id, finished_at IS NOT NULL AS finished FROM runs WHERE tenant = $1 AND run_id = $2 FOR UPDATE
), gone AS (
    DELETE FROM runs r USING found WHERE r.tenant = $1 AND r.run_id = found.run_id AND found.finished
)
SELECT finished FROM found

-- name: cancel
-- $1 tenant, $2 run_id, $3 action
SELECT outcome, promoted_graph_id, {run_columns}, worker_id
FROM cancel_run($1, $2, $3) AS c
CROSS JOIN LATERAL (SELECT (c.run).*) AS r

-- name: active
-- The runs that a cancel is meant for. Where there are more than fit, those that were asked to stop before are left out first.
-- $1 tenant, $2 thread_id or NULL, $3 status or NULL, $4 action, $5 how many at most
SELECT run_id
FROM runs
WHERE tenant = $1 AND status IN ('pending', 'running')
AND ($2::text IS NULL OR thread_id = $2)
AND ($3::text IS NULL OR status = $3)
ORDER BY
    COALESCE(cancel_action = 'rollback' OR cancel_action = $4, false),
    thread_id COLLATE "C", due_at DESC, position DESC
LIMIT $5

-- name: cancel_listed
-- Threads in one order, so that two callers can't wait for one another; the last run of a thread first, so that none is made
-- ready to be cancelled next.
-- $1 tenant, $2 run_ids, $3 action, $4 status or NULL
SELECT outcome, promoted_graph_id, {run_columns}, worker_id
FROM (
    SELECT a.run_id AS chosen_id FROM runs a
    WHERE a.tenant = $1 AND a.run_id = ANY($2::uuid[]) AND a.status IN ('pending', 'running')
    ORDER BY a.thread_id COLLATE "C", a.due_at DESC, a.position DESC
) AS chosen
CROSS JOIN LATERAL cancel_run($1, chosen_id, $3, $4) AS c
CROSS JOIN LATERAL (SELECT (c.run).*) AS r
WHERE outcome IN ('cancelled', 'requested')

-- name: count
-- $1 tenant, $2 statuses or NULL, $3 assistant_ids or NULL, $4 metadata_contains or NULL
SELECT count(*)
FROM runs
WHERE tenant = $1
AND ($2::text[] IS NULL OR status = ANY($2))
AND ($3::text[] IS NULL OR assistant_id = ANY($3))
AND ($4::jsonb IS NULL OR metadata @> $4)

-- name: count_of_thread
-- As count, and $5 thread_id.
SELECT count(*)
FROM runs
WHERE tenant = $1 AND thread_id = $5
AND ($2::text[] IS NULL OR status = ANY($2))
AND ($3::text[] IS NULL OR assistant_id = ANY($3))
AND ($4::jsonb IS NULL OR metadata @> $4)

-- name: list_newest_first
-- The four lists differ in what an index has to serve: the order, and whether they stay within a thread.
-- $1 tenant, $2 statuses or NULL, $3 assistant_ids or NULL, $4 metadata_contains or NULL,
-- $5 created_at and $6 run_id of the row before the page or NULL, $7 limit
SELECT {run_columns}
FROM runs
WHERE tenant = $1
AND (created_at, run_id) < (COALESCE($5::timestamptz, 'infinity'), COALESCE($6::uuid, '00000000-0000-0000-0000-000000000000'))
AND ($2::text[] IS NULL OR status = ANY($2))
AND ($3::text[] IS NULL OR assistant_id = ANY($3))
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
AND ($3::text[] IS NULL OR assistant_id = ANY($3))
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
AND ($3::text[] IS NULL OR assistant_id = ANY($3))
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
AND ($3::text[] IS NULL OR assistant_id = ANY($3))
AND ($4::jsonb IS NULL OR metadata @> $4)
ORDER BY created_at, run_id
LIMIT $7
