-- The claim takes turns between tenants, and never reads what it can't take: ready runs lie in lanes, one for each graph and
-- tenant. What lies behind the head of another lane, or in lanes of graphs that a worker does not serve, costs it nothing.

DROP INDEX runs_ready;
-- What the claim reads. Finished runs and runs behind the head of a queue are not in it. A ready run is pending, says a CHECK; a
-- statement that says so too is served by this index, and one that looks for a thread's ready run is not tempted by it.
CREATE INDEX runs_ready ON runs (graph_id, tenant, due_at, position) WHERE ready AND status = 'pending';

-- The lanes that are not empty, and when the first run of each is due: one look at the index for each, however long it is.
CREATE VIEW ready_lanes AS
WITH RECURSIVE lane AS (
    (
        SELECT r.graph_id, r.tenant, r.due_at FROM runs r
        WHERE r.ready AND r.status = 'pending'
        ORDER BY r.graph_id, r.tenant, r.due_at
        LIMIT 1
    )
    UNION ALL
    SELECT following.graph_id, following.tenant, following.due_at
    FROM lane
    CROSS JOIN LATERAL (
        SELECT r.graph_id, r.tenant, r.due_at FROM runs r
        WHERE r.ready AND r.status = 'pending' AND (r.graph_id, r.tenant) > (lane.graph_id, lane.tenant)
        ORDER BY r.graph_id, r.tenant, r.due_at
        LIMIT 1
    ) AS following
)
SELECT graph_id, tenant, due_at FROM lane;

-- How many of its slots a worker gives to each of several lanes, where not all that waits has room: in turn between tenants,
-- whoever holds least of this worker first, and by lot among equals; of each tenant what is due the longest. Of a lane no more
-- is read than could be taken.
CREATE FUNCTION share_slots(p_worker_id uuid, p_graph_ids text[], p_tenants text[], p_slots integer)
RETURNS TABLE (graph_id text, tenant text, runs bigint)
LANGUAGE sql VOLATILE AS $$
    WITH rival AS MATERIALIZED (
        SELECT t.tenant, COALESCE(h.held, 0) AS held, random() AS lot, count(*) OVER () AS rivals
        FROM (SELECT DISTINCT unnest(p_tenants) AS tenant) AS t
        LEFT JOIN (
            SELECT r.tenant, count(*) AS held FROM runs r
            WHERE r.worker_id = p_worker_id AND r.status = 'running'
            GROUP BY r.tenant
        ) AS h USING (tenant)
    ), turn AS (
        SELECT
            l.graph_id, l.tenant, rival.lot,
            rival.held + row_number() OVER (PARTITION BY l.tenant ORDER BY head.due_at, head.position) AS turn
        FROM unnest(p_graph_ids, p_tenants) AS l (graph_id, tenant)
        JOIN rival USING (tenant)
        CROSS JOIN LATERAL (
            SELECT r.due_at, r.position FROM runs r
            WHERE r.ready AND r.status = 'pending' AND r.graph_id = l.graph_id AND r.tenant = l.tenant AND r.due_at <= now()
            ORDER BY r.due_at, r.position
            LIMIT CASE WHEN rival.rivals < p_slots THEN p_slots ELSE 1 END
        ) AS head
    )
    SELECT chosen.graph_id, chosen.tenant, count(*)
    FROM (SELECT turn.graph_id, turn.tenant FROM turn ORDER BY turn.turn, turn.lot LIMIT p_slots) AS chosen
    GROUP BY chosen.graph_id, chosen.tenant
$$;

-- The same for thread state requests, of which one is taken at a time.
DROP INDEX state_requests_pending;
CREATE INDEX state_requests_pending ON state_requests (graph_id, tenant, created_at) WHERE status = 'pending';

CREATE VIEW state_lanes AS
WITH RECURSIVE lane AS (
    (
        SELECT s.graph_id, s.tenant FROM state_requests s
        WHERE s.status = 'pending'
        ORDER BY s.graph_id, s.tenant
        LIMIT 1
    )
    UNION ALL
    SELECT following.graph_id, following.tenant
    FROM lane
    CROSS JOIN LATERAL (
        SELECT s.graph_id, s.tenant FROM state_requests s
        WHERE s.status = 'pending' AND (s.graph_id, s.tenant) > (lane.graph_id, lane.tenant)
        ORDER BY s.graph_id, s.tenant
        LIMIT 1
    ) AS following
)
SELECT graph_id, tenant FROM lane;

-- And for webhooks that are due, by tenant.
DROP INDEX webhook_deliveries_due;
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (tenant, next_attempt_at) WHERE next_attempt_at IS NOT NULL;

CREATE VIEW webhook_lanes AS
WITH RECURSIVE lane AS (
    (
        SELECT d.tenant, d.next_attempt_at FROM webhook_deliveries d
        WHERE d.next_attempt_at IS NOT NULL
        ORDER BY d.tenant, d.next_attempt_at
        LIMIT 1
    )
    UNION ALL
    SELECT following.tenant, following.next_attempt_at
    FROM lane
    CROSS JOIN LATERAL (
        SELECT d.tenant, d.next_attempt_at FROM webhook_deliveries d
        WHERE d.next_attempt_at IS NOT NULL AND d.tenant > lane.tenant
        ORDER BY d.tenant, d.next_attempt_at
        LIMIT 1
    ) AS following
)
SELECT tenant, next_attempt_at FROM lane;

-- A run is looked up by its key, and nothing else: "has a worker" is what a CHECK says that "is running" means, and does not tempt
-- the planner to read one of the small indexes of running or ready runs from end to end.

-- Gives a thread's turn to the run that is due first: it becomes ready, which is to say claimable once it is due. A run that
-- is running keeps the turn, and so does one that a worker has begun before: what comes next builds on its checkpoints.
-- An update of the thread's state that has not ended keeps it from all of them. The caller holds the thread's lock. Returns the
-- graph of a run that has got the turn just now, or NULL: there is nothing to wake a worker for.
CREATE OR REPLACE FUNCTION pass_turn_on(p_tenant text, p_thread_id text) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    holder record;
    following uuid;
    promoted_graph_id text;
BEGIN
    -- One statement: a claim, which does not wait for the thread's lock, makes the one that is ready the one that runs.
    SELECT h.run_id, h.keeps INTO holder
    FROM (
        SELECT r.run_id, true AS keeps FROM runs r
        WHERE r.tenant = p_tenant AND r.thread_id = p_thread_id AND r.status = 'running'
        UNION ALL
        SELECT r.run_id, r.claim > 0 FROM runs r
        WHERE r.tenant = p_tenant AND r.thread_id = p_thread_id AND r.ready
    ) h;
    IF holder.keeps OR EXISTS (
        SELECT 1 FROM state_requests s
        WHERE s.tenant = p_tenant AND s.thread_id = p_thread_id AND s.kind = 'update' AND s.status <> 'done'
    ) THEN
        RETURN NULL;
    END IF;
    SELECT r.run_id INTO following FROM runs r
    WHERE r.tenant = p_tenant AND r.thread_id = p_thread_id AND r.status = 'pending'
    ORDER BY r.due_at, r.position
    LIMIT 1;
    IF following IS NULL OR following = holder.run_id THEN
        RETURN NULL;
    END IF;
    IF holder.run_id IS NOT NULL THEN
        UPDATE runs SET ready = false WHERE tenant = p_tenant AND run_id = holder.run_id AND worker_id IS NULL;
        IF NOT FOUND THEN
            RETURN NULL;
        END IF;
    END IF;
    UPDATE runs SET ready = true WHERE tenant = p_tenant AND run_id = following
    RETURNING graph_id INTO promoted_graph_id;
    RETURN promoted_graph_id;
END
$$;

-- Ends a run for the holder of its claim: status, last events, the thread's values, and the thread's next run.
-- p_values: the thread's values where they differ from p_output; with neither, the thread keeps those it has.
-- outcome: 'finished', 'rolled_back', 'stale' (the claim is not the run's any more: nothing was changed),
-- 'cancel_requested' (a cancel came first and p_status is not 'cancelled': nothing was changed).
-- Locks: the thread's, then the run's.
CREATE OR REPLACE FUNCTION finish_run(
    p_run_id uuid, p_claim integer, p_tenant text, p_thread_id text, p_status text,
    p_output json, p_values jsonb, p_interrupts jsonb, p_error_type text, p_error_message text,
    p_first_seq integer, p_last_seq integer, p_events bytea, p_keep_checkpoints boolean
) RETURNS TABLE (outcome text, promoted_graph_id text)
LANGUAGE plpgsql AS $$
DECLARE
    mine runs;
BEGIN
    IF p_thread_id IS NOT NULL THEN
        PERFORM 1 FROM threads t WHERE t.tenant = p_tenant AND t.thread_id = p_thread_id FOR UPDATE;
    END IF;
    SELECT r.* INTO mine FROM runs r
    WHERE r.tenant = p_tenant AND r.run_id = p_run_id AND r.claim = p_claim AND r.worker_id IS NOT NULL FOR UPDATE;
    IF NOT FOUND THEN
        outcome := 'stale';
        RETURN NEXT;
        RETURN;
    END IF;
    IF mine.cancel_action IS NOT NULL AND p_status <> 'cancelled' THEN
        outcome := 'cancel_requested';
        RETURN NEXT;
        RETURN;
    END IF;
    IF mine.cancel_action = 'rollback' THEN
        promoted_graph_id := end_cancelled_run(mine, 'rollback');
        outcome := 'rolled_back';
        RETURN NEXT;
        RETURN;
    END IF;

    IF p_events IS NOT NULL THEN
        -- What was logged without its writer hearing of it is part of these.
        DELETE FROM run_events e
        WHERE e.tenant = p_tenant AND e.run_id = p_run_id AND e.claim = p_claim AND e.first_seq >= p_first_seq;
        INSERT INTO run_events (tenant, run_id, claim, first_seq, last_seq, events)
        VALUES (p_tenant, p_run_id, p_claim, p_first_seq, p_last_seq, p_events);
    END IF;
    UPDATE runs r
    SET status = p_status, worker_id = NULL, executor = NULL, finished_at = clock_timestamp(), cancel_action = NULL,
        output = p_output, interrupts = p_interrupts, error_type = p_error_type, error_message = p_error_message
    WHERE r.tenant = p_tenant AND r.run_id = p_run_id;
    IF p_thread_id IS NOT NULL THEN
        UPDATE threads t
        SET status = CASE WHEN p_status IN ('error', 'timeout') THEN 'error'
                          WHEN p_status = 'interrupted' THEN 'interrupted' ELSE 'idle' END,
            error_type = p_error_type, error_message = p_error_message,
            values = COALESCE(p_values, p_output::jsonb, t.values), interrupts = COALESCE(p_interrupts, '[]'),
            updated_at = clock_timestamp(),
            state_updated_at = CASE WHEN COALESCE(p_values, p_output::jsonb) IS NULL THEN t.state_updated_at
                                    ELSE clock_timestamp() END
        WHERE t.tenant = p_tenant AND t.thread_id = p_thread_id;
        promoted_graph_id := pass_turn_on(p_tenant, p_thread_id);
    ELSIF NOT p_keep_checkpoints THEN
        PERFORM delete_checkpoints_of_thread(checkpoint_thread(p_tenant, NULL, p_run_id));
    END IF;
    outcome := 'finished';
    RETURN NEXT;
END
$$;

-- Puts one running run back into the queue, at its head, or ends it where a cancel is waiting.
-- p_use_up: whether the attempt counts. Returns the graph to wake a worker for, or NULL.
CREATE OR REPLACE FUNCTION release_run(
    p_tenant text, p_run_id uuid, p_claim integer, p_use_up boolean, p_delay interval
) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    mine runs;
BEGIN
    SELECT r.* INTO mine FROM runs r WHERE r.tenant = p_tenant AND r.run_id = p_run_id;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    IF mine.thread_id IS NOT NULL THEN
        PERFORM 1 FROM threads t WHERE t.tenant = mine.tenant AND t.thread_id = mine.thread_id FOR UPDATE;
    END IF;
    SELECT r.* INTO mine FROM runs r
    WHERE r.tenant = p_tenant AND r.run_id = p_run_id AND r.claim = p_claim AND r.worker_id IS NOT NULL FOR UPDATE;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    IF mine.cancel_action IS NOT NULL THEN
        RETURN end_cancelled_run(mine, mine.cancel_action);
    END IF;
    UPDATE runs
    SET status = 'pending', ready = true, worker_id = NULL, executor = NULL,
        due_at = CASE WHEN p_delay > interval '0' THEN clock_timestamp() + p_delay ELSE due_at END,
        attempts = CASE WHEN p_use_up THEN attempts ELSE GREATEST(attempts - 1, 0) END
    WHERE tenant = p_tenant AND run_id = p_run_id;
    RETURN mine.graph_id;
END
$$;
