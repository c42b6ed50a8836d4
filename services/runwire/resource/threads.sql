-- name: basic_columns
-- Of `threads AS t`. An active run makes a thread busy; what is stored is how the last one left it.
t.thread_id,
CASE
    WHEN EXISTS (
        SELECT FROM runs AS r
        WHERE r.tenant = t.tenant AND r.thread_id = t.thread_id AND r.status IN ('pending', 'running')
    ) THEN 'busy'
    ELSE t.status
END AS status,
t.metadata, t.error_type, t.error_message, t.graph_id, t.created_at, t.updated_at, t.state_updated_at,
t.ttl_strategy, t.ttl, t.expires_at

-- name: full_columns
-- What THREAD_VIEW_FULL adds.
t.values,
ARRAY(
    SELECT (i.value ->> 'id', (i.value -> 'value')::text, (i.value -> 'ns')::text, (i.value -> 'response_schema')::text)
    FROM jsonb_array_elements(t.interrupts) WITH ORDINALITY AS i (value, number)
    ORDER BY i.number
) AS interrupts

-- name: create_thread
-- No row: the id is taken, or there is no such graph.
-- $1 tenant, $2 thread_id, $3 metadata, $4 the request's digest, $5 strategy and $6 length of the time to live, or nulls,
-- $7 its graph or null
INSERT INTO threads AS t (tenant, thread_id, metadata, request_digest, ttl_strategy, ttl, graph_id)
SELECT
    $1, $2, $3::jsonb || CASE WHEN $7::text IS NULL THEN '{{}}' ELSE jsonb_build_object('graph_id', $7) END,
    $4, $5, $6::interval, $7
WHERE $7 IS NULL OR EXISTS (SELECT FROM graphs AS g WHERE g.graph_id = $7)
ON CONFLICT (tenant, thread_id) DO NOTHING
RETURNING {columns}

-- name: get_created
-- A thread that a request to create it has met.
-- $1 tenant, $2 thread_id, $3 the request's digest
SELECT t.request_digest IS NOT DISTINCT FROM $3 AS same_request, {columns}
FROM threads AS t
WHERE t.tenant = $1 AND t.thread_id = $2

-- name: get_thread
-- $1 tenant, $2 thread_id
SELECT {columns}
FROM threads AS t
WHERE t.tenant = $1 AND t.thread_id = $2

-- name: update_thread
-- $1 tenant, $2 thread_id, $3 metadata to merge or null, $4 whether the time to live changes, $5 its strategy, $6 its length
UPDATE threads AS t
SET
    metadata = t.metadata || COALESCE($3::jsonb, '{{}}'),
    ttl_strategy = CASE WHEN $4::boolean THEN $5 ELSE t.ttl_strategy END,
    ttl = CASE WHEN $4 THEN $6::interval ELSE t.ttl END,
    updated_at = CASE WHEN $4 OR $3 IS NOT NULL THEN now() ELSE t.updated_at END
WHERE t.tenant = $1 AND t.thread_id = $2
RETURNING {columns}

-- name: copy_thread
-- No row: there is no such thread, or the copy's id is taken.
-- $1 tenant, $2 thread_id, $3 the copy's thread_id, $4 the request's digest
INSERT INTO threads AS t (
    tenant, thread_id, status, metadata, graph_id, assistant_id, values, interrupts, error_type, error_message,
    ttl_strategy, ttl, request_digest, state_updated_at
)
SELECT
    s.tenant, $3, s.status, s.metadata, s.graph_id, s.assistant_id, s.values, s.interrupts, s.error_type, s.error_message,
    s.ttl_strategy, s.ttl, $4, s.state_updated_at
FROM threads AS s
WHERE s.tenant = $1 AND s.thread_id = $2
ON CONFLICT (tenant, thread_id) DO NOTHING
RETURNING {columns}

-- name: exists
-- $1 tenant, $2 thread_id
SELECT EXISTS (SELECT FROM threads AS t WHERE t.tenant = $1 AND t.thread_id = $2)

-- name: count_threads
SELECT count(*)
FROM threads AS t
WHERE {{conditions}}

-- name: list_threads
-- The page's parameters come behind those of the conditions.
SELECT {columns}
FROM threads AS t
WHERE {{conditions}}
ORDER BY {{order}}
LIMIT {{limit}}

-- name: of_tenant
t.tenant = $1

-- name: with_ids
t.thread_id = ANY($1::text[])

-- name: with_active_run
EXISTS (
    SELECT FROM runs AS r
    WHERE r.tenant = t.tenant AND r.thread_id = t.thread_id AND r.status IN ('pending', 'running')
)

-- name: without_active_run
-- $1 how the last run left it
t.status = $1 AND NOT EXISTS (
    SELECT FROM runs AS r
    WHERE r.tenant = t.tenant AND r.thread_id = t.thread_id AND r.status IN ('pending', 'running')
)

-- name: with_metadata
t.metadata @> $1::jsonb

-- name: with_values
t.values @> $1::jsonb

-- name: lock_threads
-- In one order, so that two callers can't wait for one another. No run can begin or end while the locks are held.
-- $1 tenant, $2 thread_ids
SELECT t.thread_id
FROM threads AS t
WHERE t.tenant = $1 AND t.thread_id = ANY($2::text[])
ORDER BY t.thread_id COLLATE "C"
FOR UPDATE

-- name: lock_threads_of_assistant
-- As lock_threads. Beside those whose last run was the assistant's, those on which it has active runs: the caller goes on to
-- cancel them, and takes all locks at once.
-- $1 tenant, $2 assistant_id
SELECT t.thread_id, t.assistant_id = $2 AS was_last
FROM threads AS t
WHERE t.tenant = $1 AND t.thread_id IN (
    SELECT o.thread_id FROM threads AS o WHERE o.tenant = $1 AND o.assistant_id = $2
    UNION
    SELECT r.thread_id FROM runs AS r WHERE r.tenant = $1 AND r.assistant_id = $2 AND r.status IN ('pending', 'running')
)
ORDER BY t.thread_id COLLATE "C"
FOR UPDATE

-- name: delete_runs
-- Waits for every write that a worker has begun under a run's claim; later ones find no run. Returns the active ones.
-- $1 tenant, $2 thread_ids
WITH doomed AS MATERIALIZED (
    SELECT r.run_id FROM runs AS r
    WHERE r.tenant = $1 AND r.thread_id = ANY($2::text[])
    ORDER BY r.thread_id COLLATE "C", r.due_at DESC, r.position DESC
    FOR UPDATE
), deleted AS (
    DELETE FROM runs AS r
    USING doomed
    WHERE r.tenant = $1 AND r.run_id = doomed.run_id
    RETURNING r.run_id, r.worker_id, r.status
)
SELECT d.run_id, d.worker_id
FROM deleted AS d
WHERE d.status IN ('pending', 'running')

-- name: delete_state_requests
-- As delete_runs: an update of a thread's state writes under its request's row.
-- $1 tenant, $2 thread_ids
WITH doomed AS MATERIALIZED (
    SELECT s.request_id FROM state_requests AS s
    WHERE s.tenant = $1 AND s.thread_id = ANY($2::text[])
    ORDER BY s.thread_id COLLATE "C", s.request_id
    FOR UPDATE
)
DELETE FROM state_requests AS s
USING doomed
WHERE s.request_id = doomed.request_id

-- name: delete_checkpoints
-- Only once no worker can write any.
-- $1 tenant, $2 thread_ids
SELECT delete_checkpoints_of_thread(checkpoint_thread($1, t.thread_id, NULL))
FROM unnest($2::text[]) AS t (thread_id)

-- name: delete_threads
-- $1 tenant, $2 thread_ids
DELETE FROM threads AS t
WHERE t.tenant = $1 AND t.thread_id = ANY($2::text[])
