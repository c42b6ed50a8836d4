-- name: cancel_run
-- $1 tenant, $2 run
SELECT outcome, promoted_graph_id, r.run_id, r.thread_id, r.worker_id, r.cancel_action
FROM cancel_run($1, $2, 'interrupt') AS c
CROSS JOIN LATERAL (SELECT (c.run).*) AS r
