-- name: ask
-- Stores a question if somebody can answer it; says what is missing otherwise. The thread is kept from being deleted meanwhile.
-- $1 request_id, $2 tenant, $3 thread_id, $4 request, $5 how long the asker waits, $6 kind
WITH thread AS (
    SELECT t.graph_id FROM threads t WHERE t.tenant = $2 AND t.thread_id = $3 FOR KEY SHARE
), question AS (
    INSERT INTO state_requests (request_id, tenant, thread_id, graph_id, kind, request, deadline_at)
    SELECT $1, $2, $3, thread.graph_id, $6, $4, now() + $5
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
    false AS busy,
    EXISTS (SELECT 1 FROM question) AS served

-- name: ask_update
-- As `ask`. An update is not stored while the thread has an active run.
-- $1 request_id, $2 tenant, $3 thread_id, $4 request, $5 how long the asker waits
SELECT thread_found AS found, graph_id, busy, served FROM ask_state_update($1, $2, $3, $4, $5)

-- name: take
-- Reads and removes an answer. Neither answered nor waiting: the question was removed with its thread. Abandoned: nobody has
-- begun, and there is no worker left that could.
-- $1 request_id
WITH answer AS (
    DELETE FROM state_requests WHERE request_id = $1 AND status = 'done'
    RETURNING response, error_reason, error_message
), question AS (
    SELECT s.graph_id, s.status FROM state_requests s WHERE s.request_id = $1
)
SELECT
    EXISTS (SELECT 1 FROM answer) AS answered,
    EXISTS (SELECT 1 FROM question) AS waiting,
    EXISTS (
        SELECT 1 FROM question q
        WHERE q.status = 'pending' AND NOT EXISTS (
            SELECT 1 FROM workers w
            WHERE q.graph_id = ANY(w.graph_ids) AND NOT w.draining AND w.heartbeat_at + w.lease >= now()
        )
    ) AS abandoned,
    (SELECT response FROM answer) AS response,
    (SELECT error_reason FROM answer) AS error_reason,
    (SELECT error_message FROM answer) AS error_message

-- name: remove
-- $1 request_id, $2 only if nobody has begun to answer it
SELECT removed, promoted_graph_id FROM remove_state_request($1, $2)
