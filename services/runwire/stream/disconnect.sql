-- name: cancel_run
-- $1 tenant, $2 run
SELECT outcome, promoted_graph_id, r.worker_id, r.cancel_action, r.thread_id
FROM cancel_run($1, $2, 'interrupt') AS c
CROSS JOIN LATERAL (SELECT (c.run).*) AS r
