-- name: reap
-- $1 how many workers at once
SELECT run_id, graph_id FROM reap_dead_workers($1)

-- name: remove_expired_questions
-- The asker is given some time to say for itself that its deadline passed.
-- $1 how many at once
DELETE FROM state_requests
WHERE request_id IN (
    SELECT request_id FROM state_requests
    WHERE deadline_at < now() - interval '5 seconds'
    ORDER BY deadline_at
    LIMIT $1
    FOR UPDATE SKIP LOCKED
)

-- name: give_back_questions
-- State requests whose worker is gone.
-- $1 how many at once
UPDATE state_requests
SET status = 'pending', worker_id = NULL
WHERE request_id IN (
    SELECT s.request_id FROM state_requests s
    WHERE s.status = 'running' AND NOT EXISTS (SELECT 1 FROM workers w WHERE w.worker_id = s.worker_id)
    LIMIT $1
    FOR UPDATE SKIP LOCKED
)
RETURNING graph_id

-- name: late_graphs
-- Graphs with runs that could have been claimed a while ago.
-- $1 how long ago, $2 how many runs are looked at
SELECT DISTINCT graph_id
FROM (
    SELECT graph_id FROM runs WHERE ready AND due_at <= now() - $1::interval ORDER BY due_at, position LIMIT $2
) AS late

-- name: expire_events
-- Removes the events of runs that ended long ago, and says so in the runs.
-- $1 retention, $2 how many runs at once
WITH old AS (
    SELECT run_id FROM runs
    WHERE finished_at < now() - $1::interval AND event_log AND NOT events_expired
    ORDER BY finished_at
    LIMIT $2
    FOR UPDATE SKIP LOCKED
), gone AS (
    DELETE FROM run_events e USING old WHERE e.run_id = old.run_id
)
UPDATE runs r SET events_expired = true FROM old WHERE r.run_id = old.run_id
RETURNING r.run_id
