-- A thread with an active run is left alone. Whether it has one is looked at again once its lock is held: a run that was
-- created in between is not to be seen by the statement that took the lock.

-- name: lock_idle
-- In one order, so that two callers can't wait for one another.
-- $1 tenant, $2 thread_ids
SELECT t.thread_id
FROM threads AS t
WHERE t.tenant = $1 AND t.thread_id = ANY($2::text[]) AND NOT EXISTS (
    SELECT FROM runs AS r
    WHERE r.tenant = t.tenant AND r.thread_id = t.thread_id AND r.status IN ('pending', 'running')
)
ORDER BY t.thread_id COLLATE "C"
FOR UPDATE OF t

-- name: lock_expired
-- Those that another caller has locked are passed over.
-- $1 how many at most
SELECT t.tenant, t.thread_id
FROM threads AS t
WHERE t.expires_at <= now() AND NOT EXISTS (
    SELECT FROM runs AS r
    WHERE r.tenant = t.tenant AND r.thread_id = t.thread_id AND r.status IN ('pending', 'running')
)
ORDER BY t.expires_at
LIMIT $1
FOR UPDATE OF t SKIP LOCKED

-- name: still_idle
-- Of threads whose locks the caller holds.
-- $1 tenants, $2 thread_ids
SELECT t.tenant, t.thread_id, t.ttl_strategy
FROM unnest($1::text[], $2::text[]) AS x (tenant, thread_id)
JOIN threads AS t USING (tenant, thread_id)
WHERE NOT EXISTS (
    SELECT FROM runs AS r
    WHERE r.tenant = t.tenant AND r.thread_id = t.thread_id AND r.status IN ('pending', 'running')
)

-- name: count_anew
-- $1 tenant, $2 thread_ids
UPDATE threads AS t
SET swept_at = now()
WHERE t.tenant = $1 AND t.thread_id = ANY($2::text[])
