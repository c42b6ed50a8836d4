-- name: next_runs
-- The runs of a thread that began after a moment, in the order of their beginning, and the one that is running or next in
-- the queue. A run that ended without a beginning counts by its end. Without a moment, also when the last one began, or else the
-- thread. One row of NULLs when there is none; no row: no thread.
-- $1 tenant, $2 thread, $3 the moment (NULL: now), $4 how many runs that began
SELECT
    now() AS now, r.run_id, COALESCE(r.began_at, r.finished_at) AS began_at, r.finished_at IS NOT NULL AS is_final,
    r.ready AND r.began_at IS NULL AS is_next,
    r.began_at IS NULL AND r.finished_at > now() - interval '2 seconds' AS may_be_early,
    CASE WHEN $3::timestamptz IS NULL THEN COALESCE(
        (
            SELECT l.began_at FROM runs l
            WHERE l.tenant = t.tenant AND l.thread_id = t.thread_id AND l.began_at IS NOT NULL
            AND COALESCE(l.began_at, l.finished_at) IS NOT NULL
            ORDER BY COALESCE(l.began_at, l.finished_at) DESC
            LIMIT 1
        ),
        t.created_at
    ) END AS last_began_at
FROM threads t
LEFT JOIN LATERAL (
    (
        SELECT b.run_id, b.began_at, b.finished_at, b.ready FROM runs b
        WHERE b.tenant = t.tenant AND b.thread_id = t.thread_id
        AND COALESCE(b.began_at, b.finished_at) > COALESCE($3, now())
        ORDER BY COALESCE(b.began_at, b.finished_at)
        LIMIT $4
    )
    UNION
    SELECT a.run_id, a.began_at, a.finished_at, a.ready FROM runs a
    WHERE a.tenant = t.tenant AND a.thread_id = t.thread_id AND a.status = 'running'
    UNION
    SELECT q.run_id, q.began_at, q.finished_at, q.ready FROM runs q
    WHERE q.tenant = t.tenant AND q.thread_id = t.thread_id AND q.ready
) AS r ON true
WHERE t.tenant = $1 AND t.thread_id = $2
ORDER BY began_at NULLS LAST

-- name: is_of_thread
-- No row: there is no such run.
-- $1 tenant, $2 run, $3 thread
SELECT thread_id IS NOT DISTINCT FROM $3 FROM runs WHERE tenant = $1 AND run_id = $2
