-- name: claim_runs
-- Takes the runs that are due the longest. Only heads of queues are ready, so a thread's other runs are never looked at.
-- The worker's row is locked against its removal: a worker that was declared dead can't claim.
-- The `attempts` that come back are counted on beyond the limit: a run that would begin one too many is to be ended.
-- $1 worker, $2 executor, $3 graphs, $4 limit, $5 time limit of an attempt where the run has none of its own,
-- $6 how many attempts a run has
WITH owner AS MATERIALIZED (
    SELECT worker_id FROM workers WHERE worker_id = $1 AND NOT draining FOR KEY SHARE
), due AS MATERIALIZED (
    SELECT r.tenant, r.run_id, r.attempts FROM runs r
    WHERE r.ready AND r.due_at <= now() AND r.graph_id = ANY ($3::text[]) AND EXISTS (SELECT FROM owner)
    ORDER BY r.due_at, r.position
    LIMIT $4
    FOR UPDATE SKIP LOCKED
)
UPDATE runs r
SET status = 'running', ready = false, worker_id = $1, executor = $2, claim = r.claim + 1,
    attempts = LEAST(r.attempts + 1, $6::int), started_at = now(), began_at = COALESCE(r.began_at, now()),
    deadline_at = now() + COALESCE(r.run_timeout, $5)
FROM due
WHERE r.run_id = due.run_id AND r.tenant = due.tenant
RETURNING r.run_id, r.tenant, r.thread_id, r.assistant_id, r.graph_id, r.claim, due.attempts + 1 AS attempts, r.event_log,
    r.metadata::text AS metadata, COALESCE(r.run_timeout, $5) AS timeout, r.request

-- name: finish_run
-- $1 run, $2 claim, $3 tenant, $4 thread, $5 status, $6 output, $7 values, $8 interrupts, $9 error type, $10 error message,
-- $11 first and $12 last number and $13 bytes of the last events, $14 keep a threadless run's checkpoints
SELECT outcome, promoted_graph_id
FROM finish_run($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)

-- name: release_run
-- $1 tenant, $2 run, $3 claim, $4 whether the attempt counts, $5 delay
SELECT release_run($1, $2, $3, $4, $5)
