-- name: due_tenants
-- Those who have crons that are due; whoever comes first does by lot.
SELECT l.tenant FROM cron_lanes l WHERE l.next_tick_at <= now() ORDER BY random()

-- name: claim
-- The tenant's cron that has been due for longest, behind those that this turn has seen. Nobody else ticks it meanwhile.
-- $1 tenant, $2 next_tick_at and $3 cron_id of the one before it
SELECT
    now() AS now, tenant, cron_id, thread_id, schedule, time_zone, request, enabled, end_at, next_tick_at
FROM crons
WHERE tenant = $1 AND next_tick_at <= now() AND (next_tick_at, cron_id) > ($2, $3)
ORDER BY next_tick_at, cron_id
LIMIT 1
FOR UPDATE SKIP LOCKED

-- name: lock_thread
-- Does not wait: whoever has the thread's lock may be deleting it, and be waiting for its crons.
-- $1 tenant, $2 thread_id
SELECT true
FROM threads t
WHERE t.tenant = $1 AND t.thread_id = $2
FOR UPDATE SKIP LOCKED

-- name: advance
-- Passes on to the next tick, and notes in the run which cron has created it.
-- $1 tenant, $2 cron_id, $3 next_tick_at, $4 how many ticks got no run, $5 run_id
WITH run AS (
    UPDATE runs SET cron_id = $2 WHERE tenant = $1 AND run_id = $5
)
UPDATE crons
SET next_tick_at = $3, missed_ticks = missed_ticks + $4
WHERE tenant = $1 AND cron_id = $2
