-- name: create
-- Stores a run, unless the assistant that it was made from is not the one in the table any more: another version, made
-- anew under the same id, or hidden by an assistant that bears the graph's id.
-- $1 run_id, $2 tenant, $3 thread_id, $4 create_thread, $5 assistant_id, $6 assistant_version, $7 graph_id, $8 strategy,
-- $9 delay, $10 request, $11 digest, $12 base_metadata, $13 metadata, $14 event_log, $15 run_timeout,
-- $16 the assistant's created_at, $17 the name that the caller gave, $18 webhook, $19 checkpoint_id and $20 checkpoint_ns,
-- $21 strategy and $22 length of a new thread's time to live, $23 how many open runs the tenant may have, or NULL
SELECT outcome, {run_columns}, ready, ended, ended_at, stopping_run_id, stopping_worker_id, stopping_action
FROM create_run(
    $1, $2, $3, $4, $5,
    (
        SELECT a.version FROM assistants a
        WHERE a.tenant = $2 AND a.assistant_id = $5 AND a.version = $6 AND a.created_at = $16
        AND ($17 = $5 OR NOT EXISTS (SELECT 1 FROM assistants n WHERE n.tenant = $2 AND n.assistant_id = $17))
    ),
    $7, $8, $9, $10, $11, $12,
    -- The thread's metadata says so too, of the run before this one.
    CASE WHEN $3::text IS NULL THEN '{}'
        ELSE jsonb_build_object('graph_id', $7::text, 'assistant_id', $5::text) END || $13::jsonb,
    $14, $15, $18, $19, $20, $23, $21, $22
) AS c
CROSS JOIN LATERAL (SELECT (c.run).*) AS r

-- name: check_open_runs
-- $1 tenant, $2 how many it may have
SELECT check_open_runs($1, $2)

-- name: created_before
-- A run that an earlier call with the same id has stored.
-- $1 tenant, $2 run_id, $3 digest
SELECT CASE WHEN request_digest = $3 THEN 'exists' ELSE 'id_reused' END AS outcome, {run_columns}, ready
FROM runs
WHERE tenant = $1 AND run_id = $2
