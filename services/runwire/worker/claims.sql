-- name: claim_runs
-- Takes ready runs: of each tenant those that are due the longest, and between tenants in turn; see share_slots. Only heads of
-- queues are ready, so a thread's other runs are never looked at. The cost follows from the numbers of slots and of lanes where
-- something is due, not from what waits in the lanes; see due_lanes. How many to take of each is settled before any is locked;
-- locked ones are passed over.
-- The worker's row is locked against its removal: a worker that was declared dead can't claim.
-- The `attempts` that come back are counted on beyond the limit: a run that would begin one too many is to be ended.
-- There is one row at least; in a row without a run_id there is no run. `more`: others took some of what was meant for this
-- claim, so there may be runs left.
-- $1 worker, $2 executor, $3 graphs, $4 limit, $5 time limit of an attempt where the run has none of its own,
-- $6 how many attempts a run has
WITH owner AS MATERIALIZED (
    SELECT worker_id FROM workers WHERE worker_id = $1 AND NOT draining FOR KEY SHARE
), lanes AS MATERIALIZED (
    SELECT array_agg(l.graph_id) AS graph_ids, array_agg(l.tenant) AS tenants, count(*) AS count FROM due_lanes($3) l
    WHERE EXISTS (SELECT FROM owner)
), share AS MATERIALIZED (
    SELECT l.graph_ids[1] AS graph_id, l.tenants[1] AS tenant, $4::bigint AS runs, 0 AS meant
    FROM lanes l WHERE l.count = 1
    UNION ALL
    SELECT s.graph_id, s.tenant, s.runs, s.runs
    FROM lanes l CROSS JOIN LATERAL share_slots($1, l.graph_ids, l.tenants, $4::int) AS s
    WHERE l.count > 1
), due AS MATERIALIZED (
    SELECT d.tenant, d.run_id, d.attempts, d.taken_at
    FROM share
    CROSS JOIN LATERAL (
        -- The transaction's time may be before the end of the run that made way for this one.
        SELECT r.tenant, r.run_id, r.attempts, clock_timestamp() AS taken_at FROM runs r
        WHERE r.ready AND r.status = 'pending' AND r.graph_id = share.graph_id AND r.tenant = share.tenant AND r.due_at <= now()
        ORDER BY r.due_at, r.position
        LIMIT share.runs
        FOR UPDATE SKIP LOCKED
    ) AS d
), taken AS (
    UPDATE runs r
    SET status = 'running', ready = false, worker_id = $1, executor = $2, claim = r.claim + 1,
        attempts = LEAST(r.attempts + 1, $6::int), started_at = due.taken_at, began_at = COALESCE(r.began_at, due.taken_at),
        deadline_at = due.taken_at + COALESCE(r.run_timeout, $5)
    FROM due
    -- The array says to the planner that they are few: it can't tell from a LIMIT that is a parameter, and would read all runs.
    WHERE r.run_id = ANY (ARRAY(SELECT d.run_id FROM due d)) AND r.run_id = due.run_id AND r.tenant = due.tenant
    RETURNING r.run_id, r.tenant, r.thread_id, r.assistant_id, r.graph_id, r.claim, due.attempts + 1 AS attempts,
        r.event_log, r.metadata::text AS metadata, COALESCE(r.run_timeout, $5) AS timeout, r.request
)
SELECT
    settled.meant > (SELECT count(*) FROM due) AS more,
    taken.run_id, taken.tenant, taken.thread_id, taken.assistant_id, taken.graph_id, taken.claim, taken.attempts,
    taken.event_log, taken.metadata, taken.timeout, taken.request
FROM (SELECT COALESCE(sum(share.meant), 0) AS meant FROM share) AS settled
LEFT JOIN taken ON true

-- name: release_strays
-- Gives back what a claim took without its executor hearing of it: no code of these runs has begun.
-- $1 worker, $2 executor, $3 tenants, $4 ids and $5 claims of the runs that the executor knows of
SELECT release_run(stray.tenant, stray.run_id, stray.claim, false, interval '0') AS graph_id
FROM (
    SELECT r.tenant, r.run_id, r.claim FROM runs r
    WHERE r.worker_id = $1 AND r.executor = $2 AND r.status = 'running'
    AND NOT EXISTS (
        SELECT FROM unnest($3::text[], $4::uuid[], $5::int[]) AS known (tenant, run_id, claim)
        WHERE (known.tenant, known.run_id, known.claim) = (r.tenant, r.run_id, r.claim)
    )
    ORDER BY r.thread_id COLLATE "C", r.tenant COLLATE "C", r.due_at DESC, r.position DESC
) AS stray

-- name: goes_on
-- $1 tenant, $2 run, $3 claim, $4 worker, $5 executor
SELECT EXISTS (
    SELECT FROM runs
    WHERE tenant = $1 AND run_id = $2 AND claim = $3 AND worker_id = $4 AND executor = $5 AND cancel_action IS NULL
)

-- name: finish_run
-- $1 run, $2 claim, $3 tenant, $4 thread, $5 status, $6 output, $7 values, $8 interrupts, $9 error type, $10 error message,
-- $11 first and $12 last number and $13 bytes of the last events
SELECT outcome, promoted_graph_id
FROM finish_run($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)

-- name: release_run
-- $1 tenant, $2 run, $3 claim, $4 whether the attempt counts, $5 delay
SELECT release_run($1, $2, $3, $4, $5)
