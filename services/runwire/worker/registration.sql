-- name: register_worker
-- $1 worker, $2 host, $3 version, $4 graphs, $5 slots, $6 lease
INSERT INTO workers (worker_id, host, version, graph_ids, slots, lease)
VALUES ($1, $2, $3, $4, $5, $6)

-- name: beat
-- Renews the lease of every run that the worker holds. No row: it was declared dead. Else one row for each run that should
-- have stopped, or a single row without a run.
-- $1 worker, $2 draining
WITH beat AS (
    UPDATE workers SET heartbeat_at = now(), draining = $2 WHERE worker_id = $1 RETURNING worker_id
)
SELECT r.tenant, r.run_id, r.executor, r.cancel_action IS NOT NULL AS cancel
FROM beat LEFT JOIN runs r
    ON r.worker_id = beat.worker_id AND r.status = 'running'
    AND (r.cancel_action IS NOT NULL OR r.deadline_at < now())

-- name: end_overdue_run
-- Ends a run that had to be killed: TIMEOUT where its time was up, CANCELLED where a cancel waits (release_run sees to that).
-- $1 worker, $2 tenant, $3 run, $4 message
SELECT f.outcome
FROM runs r
CROSS JOIN LATERAL finish_run(
    r.run_id, r.claim, r.tenant, r.thread_id, 'timeout', NULL, NULL, NULL, 'RunTimeout', $4, NULL, NULL, NULL
) f
WHERE r.tenant = $2 AND r.run_id = $3 AND r.worker_id = $1 AND r.status = 'running' AND r.cancel_action IS NULL

-- name: holders
-- The executors that hold a run or a state request.
-- $1 worker
SELECT r.executor FROM runs r WHERE r.worker_id = $1 AND r.status = 'running'
UNION
SELECT s.executor FROM state_requests s WHERE s.worker_id = $1 AND s.status = 'running'

-- name: release_runs
-- $1 worker, $2 executor or NULL for all, $3 whether the attempt counts
SELECT held.tenant, held.run_id, release_run(held.tenant, held.run_id, held.claim, $3, interval '0') AS graph_id
FROM (
    SELECT r.tenant, r.run_id, r.claim FROM runs r
    WHERE r.worker_id = $1 AND r.status = 'running' AND ($2::int IS NULL OR r.executor = $2)
    ORDER BY r.thread_id COLLATE "C", r.tenant COLLATE "C", r.due_at DESC, r.position DESC
) AS held

-- name: release_state_requests
-- An update is given back as well: it has written nothing unless it has ended.
-- $1 worker, $2 executor or NULL for all
WITH held AS MATERIALIZED (
    SELECT s.request_id FROM state_requests s
    WHERE s.worker_id = $1 AND s.status = 'running' AND ($2::int IS NULL OR s.executor = $2)
    ORDER BY s.thread_id COLLATE "C", s.tenant COLLATE "C", s.request_id
    FOR UPDATE
)
UPDATE state_requests s SET status = 'pending', worker_id = NULL, executor = NULL
FROM held WHERE s.request_id = held.request_id

-- name: unregister_worker
-- $1 worker
DELETE FROM workers WHERE worker_id = $1
