-- name: claim_state_request
-- Of a tenant that is drawn by lot, so that one with many requests does not keep others waiting, the oldest that can be claimed:
-- of a thread's updates, that is the one that was asked for first. The thread's last run says which config the graph is made with. A request that took the process of its third claim with it is left until nobody waits for it.
-- $1 worker, $2 executor, $3 graphs
UPDATE state_requests s
SET status = 'running', worker_id = $1, executor = $2, claim = s.claim + 1
WHERE s.request_id = (
    SELECT first.request_id
    FROM (
        SELECT l.graph_id, l.tenant FROM state_lanes l WHERE l.graph_id = ANY ($3::text[]) ORDER BY random() OFFSET 0
    ) AS lane
    CROSS JOIN LATERAL (
        SELECT p.request_id FROM state_requests p
        WHERE p.status = 'pending' AND p.graph_id = lane.graph_id AND p.tenant = lane.tenant
        AND p.deadline_at > now() AND p.claim < 3
        AND (
            p.kind <> 'update' OR NOT EXISTS (
                SELECT 1 FROM state_requests o
                WHERE o.tenant = p.tenant AND o.thread_id = p.thread_id AND o.kind = 'update' AND o.status <> 'done'
                AND (o.created_at, o.request_id) < (p.created_at, p.request_id)
            )
        )
        ORDER BY p.created_at
        LIMIT 1
        FOR UPDATE SKIP LOCKED
    ) AS first
    LIMIT 1
)
RETURNING s.request_id, s.claim, s.tenant, s.thread_id, s.graph_id, s.kind, s.request, s.deadline_at - now() AS patience,
    (
        SELECT r.request FROM runs r
        WHERE r.tenant = s.tenant AND r.thread_id = s.thread_id AND r.graph_id = s.graph_id
        ORDER BY r.created_at DESC, r.run_id DESC
        LIMIT 1
    ) AS last_run_request

-- name: answer_state_request
-- $1 request, $2 claim, $3 response, $4 error reason, $5 error message
UPDATE state_requests SET status = 'done', response = $3, error_reason = $4, error_message = $5
WHERE request_id = $1 AND claim = $2 AND status = 'running'

-- name: release_state_request
-- For another try, by this worker or another one.
-- $1 request, $2 claim
UPDATE state_requests SET status = 'pending', worker_id = NULL, executor = NULL
WHERE request_id = $1 AND claim = $2 AND status = 'running'

-- name: release_stray_state_requests
-- Gives back what a claim took without its lane hearing of it: nothing of these requests has begun.
-- $1 worker, $2 executor, $3 requests that the lane knows of
WITH stray AS MATERIALIZED (
    SELECT s.request_id FROM state_requests s
    WHERE s.worker_id = $1 AND s.executor = $2 AND s.status = 'running' AND s.request_id <> ALL ($3::uuid[])
    ORDER BY s.thread_id COLLATE "C", s.tenant COLLATE "C", s.request_id
    FOR UPDATE
)
UPDATE state_requests s SET status = 'pending', worker_id = NULL, executor = NULL
FROM stray WHERE s.request_id = stray.request_id
