-- name: reap
-- $1 how many workers at once
SELECT run_id, graph_id FROM reap_dead_workers($1)

-- name: remove_expired_questions
-- The asker is given some time to say for itself that its deadline passed. Returns the graphs of runs that waited for an update.
-- $1 how many at once
SELECT r.promoted_graph_id AS graph_id
FROM (
    SELECT overdue.request_id
    FROM (
        SELECT s.request_id, s.thread_id, s.tenant FROM state_requests s
        WHERE s.deadline_at < now() - interval '5 seconds'
        ORDER BY s.deadline_at
        LIMIT $1
    ) AS overdue
    ORDER BY overdue.thread_id COLLATE "C", overdue.tenant COLLATE "C", overdue.request_id
) AS expired
CROSS JOIN LATERAL remove_state_request(expired.request_id, false) AS r
WHERE r.promoted_graph_id IS NOT NULL

-- name: give_back_questions
-- State requests whose worker is gone. An update is given back as well: it has written nothing unless it has ended.
-- $1 how many at once
UPDATE state_requests
SET status = 'pending', worker_id = NULL, executor = NULL
WHERE request_id IN (
    SELECT s.request_id FROM state_requests s
    WHERE s.status = 'running' AND NOT EXISTS (SELECT 1 FROM workers w WHERE w.worker_id = s.worker_id)
    LIMIT $1
    FOR UPDATE SKIP LOCKED
)
RETURNING graph_id

-- name: late_graphs
-- Graphs with runs that could have been claimed a while ago.
-- $1 how long ago
SELECT graph_id FROM ready_graphs WHERE due_at <= now() - $1::interval

-- name: due_graphs
-- Graphs with runs whose delay has just passed.
-- $1 how long ago at most, $2 how many runs of a graph are looked at
SELECT g.graph_id
FROM ready_graphs g
WHERE g.due_at <= now() AND EXISTS (
    SELECT FROM (
        SELECT r.created_at, r.due_at FROM runs r
        WHERE r.ready AND r.status = 'pending' AND r.graph_id = g.graph_id
        AND r.due_at <= now() AND r.due_at > now() - $1::interval
        ORDER BY r.due_at
        LIMIT $2
    ) AS just_due
    WHERE just_due.due_at > just_due.created_at
)

-- name: forget_removed_runs
-- Of runs that were removed so long ago that no request to create them is on its way, and none of their code is left.
-- $1 how many at once
DELETE FROM removed_runs
WHERE (tenant, run_id) IN (
    SELECT tenant, run_id FROM removed_runs
    WHERE removed_at < now() - interval '1 day'
    ORDER BY removed_at
    LIMIT $1
    FOR UPDATE SKIP LOCKED
)

-- name: expire_events
-- Removes the events of runs that ended long ago, and says so in the runs.
-- $1 retention, $2 how many runs at once
WITH old AS (
    SELECT tenant, run_id FROM runs
    WHERE finished_at < now() - $1::interval AND event_log AND NOT events_expired
    ORDER BY finished_at
    LIMIT $2
    FOR UPDATE SKIP LOCKED
), gone AS (
    DELETE FROM run_events e USING old WHERE e.run_id = old.run_id AND e.tenant = old.tenant
)
UPDATE runs r SET events_expired = true FROM old WHERE r.run_id = old.run_id AND r.tenant = old.tenant
RETURNING r.run_id
