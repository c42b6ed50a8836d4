-- name: ask
-- Stores a question if somebody can answer it; says what is missing otherwise. The thread is kept from being deleted meanwhile.
-- $1 request_id, $2 tenant, $3 thread_id, $4 kind, $5 request, $6 how long the asker waits
WITH thread AS (
    SELECT t.graph_id FROM threads t WHERE t.tenant = $2 AND t.thread_id = $3 FOR KEY SHARE
), question AS (
    INSERT INTO state_requests (request_id, tenant, thread_id, graph_id, kind, request, deadline_at)
    SELECT $1, $2, $3, thread.graph_id, $4, $5, now() + $6
    FROM thread
    WHERE EXISTS (
        SELECT 1 FROM workers w
        WHERE thread.graph_id = ANY(w.graph_ids) AND NOT w.draining AND w.heartbeat_at + w.lease >= now()
    )
    RETURNING request_id
)
SELECT
    EXISTS (SELECT 1 FROM thread) AS found,
    (SELECT graph_id FROM thread) AS graph_id,
    EXISTS (SELECT 1 FROM question) AS served

-- name: take
-- Reads and removes an answer. Neither answered nor waiting: the question was removed with its thread.
-- $1 request_id
WITH answer AS (
    DELETE FROM state_requests WHERE request_id = $1 AND status = 'done'
    RETURNING response, error_reason, error_message
)
SELECT
    EXISTS (SELECT 1 FROM answer) AS answered,
    EXISTS (SELECT 1 FROM state_requests WHERE request_id = $1) AS waiting,
    (SELECT response FROM answer) AS response,
    (SELECT error_reason FROM answer) AS error_reason,
    (SELECT error_message FROM answer) AS error_message

-- name: withdraw
-- $1 request_id
DELETE FROM state_requests WHERE request_id = $1
