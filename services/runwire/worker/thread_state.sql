-- name: claim_state_request
-- $1 worker, $2 graphs
UPDATE state_requests s
SET status = 'running', worker_id = $1
WHERE s.request_id = (
    SELECT request_id FROM state_requests
    WHERE status = 'pending' AND graph_id = ANY ($2::text[]) AND deadline_at > now()
    ORDER BY created_at
    LIMIT 1
    FOR UPDATE SKIP LOCKED
)
RETURNING s.request_id, s.tenant, s.thread_id, s.graph_id, s.kind, s.request

-- name: answer_state_request
-- $1 request, $2 response, $3 error reason, $4 error message
UPDATE state_requests SET status = 'done', response = $2, error_reason = $3, error_message = $4
WHERE request_id = $1 AND status = 'running'
