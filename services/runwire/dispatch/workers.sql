-- name: list
-- Live workers, the longest running first.
-- $1 graph_id or NULL, $2 started_at and $3 worker_id of the row before the page or NULL, $4 limit
SELECT
    w.worker_id, w.host, w.version, w.graph_ids, w.slots, w.draining, w.started_at, w.heartbeat_at,
    (SELECT count(*) FROM runs r WHERE r.worker_id = w.worker_id AND r.status = 'running') AS running
FROM workers w
WHERE w.heartbeat_at + w.lease >= now()
AND ($1::text IS NULL OR $1 = ANY(w.graph_ids))
AND (w.started_at, w.worker_id)
    > (COALESCE($2::timestamptz, '-infinity'), COALESCE($3::uuid, '00000000-0000-0000-0000-000000000000'))
ORDER BY w.started_at, w.worker_id
LIMIT $4
