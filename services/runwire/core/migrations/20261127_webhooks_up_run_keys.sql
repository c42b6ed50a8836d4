-- A run's id belongs to its tenant: what another tenant has named so is neither met nor noticed. The id stands first in the keys,
-- since it tells rows apart at the first comparison.

ALTER TABLE run_events DROP CONSTRAINT run_events_run_id_fkey, DROP CONSTRAINT run_events_pkey;
ALTER TABLE runs DROP CONSTRAINT runs_pkey, ADD PRIMARY KEY (run_id, tenant);

ALTER TABLE run_events ADD COLUMN tenant text NOT NULL DEFAULT 'default';
UPDATE run_events e SET tenant = r.tenant FROM runs r WHERE r.run_id = e.run_id AND r.tenant <> e.tenant;
ALTER TABLE run_events
    ADD PRIMARY KEY (run_id, tenant, claim, first_seq),
    ADD FOREIGN KEY (run_id, tenant) REFERENCES runs ON DELETE CASCADE;

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
        UPDATE runs SET ready = false WHERE tenant = p_tenant AND run_id = holder.run_id AND ready;
        IF NOT FOUND THEN
            RETURN NULL;
        END IF;
    END IF;
    UPDATE runs SET ready = true WHERE tenant = p_tenant AND run_id = following
    RETURNING graph_id INTO promoted_graph_id;
    RETURN promoted_graph_id;
END
$$;

-- Ends a cancelled run that nobody executes any more, and passes nothing on. The caller holds the locks of its thread and of
-- the run.
CREATE OR REPLACE FUNCTION end_cancelled_row(p_run runs, p_action text, p_moment timestamptz) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    IF p_action = 'rollback' THEN
        IF p_run.claim > 0 THEN
            PERFORM delete_checkpoints_of_run(p_run.tenant, p_run.thread_id, p_run.run_id);
        END IF;
        DELETE FROM runs WHERE tenant = p_run.tenant AND run_id = p_run.run_id;
    ELSE
        UPDATE runs
        SET status = 'cancelled', ready = false, worker_id = NULL, executor = NULL, finished_at = p_moment,
            cancel_action = NULL
        WHERE tenant = p_run.tenant AND run_id = p_run.run_id;
    END IF;
END
$$;

-- Fails, and with it the transaction, when the tenant has more unfinished runs than p_limit. Creations of one tenant pass here one
-- after another, each seeing those before it, so the limit is exact. Called last: whoever waits here waits for commits only.
CREATE FUNCTION check_open_runs(p_tenant text, p_limit integer) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('runwire:open_runs'), hashtext(p_tenant));
    PERFORM FROM runs r
    WHERE r.tenant = p_tenant AND r.status IN ('pending', 'running')
    OFFSET p_limit LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'tenant % has % open runs', p_tenant, p_limit USING ERRCODE = 'configuration_limit_exceeded';
    END IF;
END
$$;

DROP FUNCTION create_run(
    uuid, text, text, boolean, text, integer, text, text, interval, bytea, bytea, jsonb, jsonb, boolean, text, interval, bytea,
    text, text
);

-- Stores a run. outcome: 'created', 'exists' (same id, same request), 'id_reused', 'thread_not_found', 'checkpoint_not_found',
-- 'thread_busy', 'assistant_changed' (p_assistant_version is not the latest any more: read the assistant again). Nothing is
-- changed unless it is 'created'. For the strategies that cancel: `ended` are the pending runs that have ended here, and
-- stopping_* says which run its worker has to stop; the new one is next then. p_open_runs: as check_open_runs.
CREATE FUNCTION create_run(
    p_run_id uuid, p_tenant text, p_thread_id text, p_create_thread boolean,
    p_assistant_id text, p_assistant_version integer, p_graph_id text,
    p_strategy text, p_delay interval, p_request bytea, p_digest bytea,
    p_base_metadata jsonb, p_metadata jsonb, p_event_log boolean, p_cron_id text,
    p_run_timeout interval DEFAULT NULL, p_webhook bytea DEFAULT NULL,
    p_checkpoint_id text DEFAULT NULL, p_checkpoint_ns text DEFAULT '', p_open_runs integer DEFAULT NULL
) RETURNS TABLE (
    outcome text, run runs, ended uuid[], stopping_run_id uuid, stopping_worker_id uuid, stopping_action text
)
LANGUAGE plpgsql AS $$
DECLARE
    thread_metadata jsonb := '{}';
    busy boolean := false;
    moment timestamptz;
BEGIN
    SELECT r.* INTO run FROM runs r WHERE r.tenant = p_tenant AND r.run_id = p_run_id;
    IF FOUND THEN
        outcome := CASE WHEN run.request_digest = p_digest THEN 'exists' ELSE 'id_reused' END;
        RETURN NEXT;
        RETURN;
    END IF;

    PERFORM 1 FROM assistants a
    WHERE a.tenant = p_tenant AND a.assistant_id = p_assistant_id AND a.version = p_assistant_version;
    IF NOT FOUND THEN
        outcome := 'assistant_changed';
        RETURN NEXT;
        RETURN;
    END IF;

    IF p_thread_id IS NOT NULL THEN
        -- A thread that is not there has no checkpoint to fork from.
        IF p_create_thread AND p_checkpoint_id IS NULL THEN
            INSERT INTO threads (tenant, thread_id, metadata, graph_id, assistant_id)
            VALUES (
                p_tenant, p_thread_id, jsonb_build_object('graph_id', p_graph_id, 'assistant_id', p_assistant_id),
                p_graph_id, p_assistant_id
            )
            ON CONFLICT DO NOTHING;
        END IF;
        SELECT t.metadata INTO thread_metadata FROM threads t
        WHERE t.tenant = p_tenant AND t.thread_id = p_thread_id FOR UPDATE;
        IF NOT FOUND THEN
            outcome := CASE WHEN p_create_thread AND p_checkpoint_id IS NOT NULL THEN 'checkpoint_not_found'
                            ELSE 'thread_not_found' END;
            RETURN NEXT;
            RETURN;
        END IF;
        IF p_checkpoint_id IS NOT NULL AND NOT EXISTS (
            SELECT 1 FROM checkpoints c
            WHERE c.thread_id = checkpoint_thread(p_tenant, p_thread_id, p_run_id)
            AND c.checkpoint_ns = p_checkpoint_ns AND c.checkpoint_id = p_checkpoint_id
            -- What is about to be undone is as good as gone.
            AND NOT EXISTS (
                SELECT 1 FROM runs r
                WHERE r.tenant = p_tenant AND r.thread_id = p_thread_id AND r.status IN ('pending', 'running')
                AND r.run_id::text = c.metadata ->> 'run_id'
                AND (p_strategy = 'rollback' OR r.cancel_action = 'rollback')
            )
        ) THEN
            outcome := 'checkpoint_not_found';
            RETURN NEXT;
            RETURN;
        END IF;
        busy := EXISTS (
            SELECT 1 FROM runs r
            WHERE r.tenant = p_tenant AND r.thread_id = p_thread_id AND r.status IN ('pending', 'running')
            -- The same call made twice at once does not find the thread busy with itself.
            AND r.run_id <> p_run_id
        );
        IF busy AND p_strategy = 'reject' THEN
            outcome := 'thread_busy';
            RETURN NEXT;
            RETURN;
        END IF;
        UPDATE threads t
        SET graph_id = p_graph_id, assistant_id = p_assistant_id, updated_at = now(),
            metadata = t.metadata || jsonb_build_object('graph_id', p_graph_id, 'assistant_id', p_assistant_id)
        WHERE t.tenant = p_tenant AND t.thread_id = p_thread_id
        AND (t.graph_id, t.assistant_id) IS DISTINCT FROM (p_graph_id, p_assistant_id);
    END IF;

    -- The clock is read behind the thread's lock, so that the order of creation is the order of the queue.
    moment := clock_timestamp();
    IF busy AND p_strategy IN ('interrupt', 'rollback') THEN
        SELECT w.ended, w.stopping_run_id, w.stopping_worker_id, w.stopping_action
        INTO ended, stopping_run_id, stopping_worker_id, stopping_action
        FROM make_way(p_tenant, p_thread_id, p_run_id, p_strategy, moment) w;
        busy := stopping_run_id IS NOT NULL;
    END IF;
    INSERT INTO runs AS r (
        run_id, tenant, thread_id, assistant_id, assistant_version, graph_id, multitask_strategy, ready,
        created_at, due_at, request, request_digest, metadata, event_log, cron_id, run_timeout, webhook
    )
    VALUES (
        p_run_id, p_tenant, p_thread_id, p_assistant_id, p_assistant_version, p_graph_id, p_strategy, NOT busy,
        moment, moment + p_delay, p_request, p_digest,
        p_base_metadata || thread_metadata || p_metadata, p_event_log, p_cron_id, p_run_timeout, p_webhook
    )
    ON CONFLICT (run_id, tenant) DO NOTHING
    RETURNING r.* INTO run;
    IF NOT FOUND THEN
        -- Another call with this id came first. This one is undone, and finds the run when it is made again.
        RAISE EXCEPTION 'run % was created at the same time', p_run_id USING ERRCODE = 'serialization_failure';
    END IF;
    -- The run that had the turn may be due later than this one.
    IF busy AND pass_turn_on(p_tenant, p_thread_id) IS NOT NULL THEN
        run.ready := true;
    END IF;
    IF p_open_runs IS NOT NULL THEN
        PERFORM check_open_runs(p_tenant, p_open_runs);
    END IF;
    outcome := 'created';
    RETURN NEXT;
END
$$;

-- Asks for a run's end. outcome: 'not_found', 'ended' (it had ended before), 'cancelled' (it was pending: it has ended here),
-- 'requested' (its worker has to stop it), 'other_status' (it is active, but not in p_status: nothing was changed). A rollback
-- overrides an interrupt that was asked for before.
CREATE OR REPLACE FUNCTION cancel_run(p_tenant text, p_run_id uuid, p_action text, p_status text DEFAULT NULL)
RETURNS TABLE (outcome text, run runs, promoted_graph_id text)
LANGUAGE plpgsql AS $$
BEGIN
    SELECT r.* INTO run FROM runs r WHERE r.tenant = p_tenant AND r.run_id = p_run_id;
    IF NOT FOUND THEN
        outcome := 'not_found';
        RETURN NEXT;
        RETURN;
    END IF;
    IF run.thread_id IS NOT NULL THEN
        PERFORM 1 FROM threads t WHERE t.tenant = run.tenant AND t.thread_id = run.thread_id FOR UPDATE;
    END IF;
    SELECT r.* INTO run FROM runs r WHERE r.tenant = p_tenant AND r.run_id = p_run_id FOR UPDATE;
    IF NOT FOUND THEN
        outcome := 'not_found';
    ELSIF run.status IN ('pending', 'running') AND run.status <> p_status THEN
        outcome := 'other_status';
    ELSIF run.status = 'pending' THEN
        promoted_graph_id := end_cancelled_run(run, p_action);
        run.status := 'cancelled';
        -- A run that was rolled back has no row any more; its answer is the last that is heard of it.
        run.finished_at := COALESCE(
            (SELECT r.finished_at FROM runs r WHERE r.tenant = p_tenant AND r.run_id = p_run_id), clock_timestamp()
        );
        outcome := 'cancelled';
    ELSIF run.status = 'running' THEN
        UPDATE runs r
        SET cancel_action = CASE WHEN r.cancel_action = 'rollback' THEN 'rollback' ELSE p_action END
        WHERE r.tenant = p_tenant AND r.run_id = p_run_id
        RETURNING r.* INTO run;
        outcome := 'requested';
    ELSE
        outcome := 'ended';
    END IF;
    RETURN NEXT;
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
    WHERE r.tenant = p_tenant AND r.run_id = p_run_id AND r.claim = p_claim AND r.status = 'running' FOR UPDATE;
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
        INSERT INTO run_events (tenant, run_id, claim, first_seq, last_seq, events)
        VALUES (p_tenant, p_run_id, p_claim, p_first_seq, p_last_seq, p_events)
        -- What was logged without its writer hearing of it is part of these.
        ON CONFLICT (run_id, tenant, claim, first_seq) DO UPDATE
        SET last_seq = EXCLUDED.last_seq, events = EXCLUDED.events;
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

DROP FUNCTION release_run(uuid, integer, boolean, interval);

-- Puts one running run back into the queue, at its head, or ends it where a cancel is waiting.
-- p_use_up: whether the attempt counts. Returns the graph to wake a worker for, or NULL.
CREATE FUNCTION release_run(
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
    WHERE r.tenant = p_tenant AND r.run_id = p_run_id AND r.claim = p_claim AND r.status = 'running' FOR UPDATE;
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

-- Declares workers dead whose lease has run out, and gives their runs back. Any number of callers may do this at once.
CREATE OR REPLACE FUNCTION reap_dead_workers(p_limit integer) RETURNS TABLE (run_id uuid, graph_id text)
LANGUAGE plpgsql AS $$
DECLARE
    held record;
BEGIN
    FOR held IN
        WITH dead AS (
            DELETE FROM workers w
            WHERE w.worker_id IN (
                SELECT d.worker_id FROM workers d
                WHERE d.heartbeat_at + d.lease < now() LIMIT p_limit FOR UPDATE SKIP LOCKED
            )
            RETURNING w.worker_id
        )
        SELECT r.tenant COLLATE "C" AS tenant, r.run_id, r.claim, r.thread_id COLLATE "C" AS thread_id
        FROM runs r JOIN dead USING (worker_id) WHERE r.status = 'running'
        UNION ALL
        -- A run whose owner has no row at all: its worker was reaped while it claimed.
        SELECT r.tenant, r.run_id, r.claim, r.thread_id FROM runs r
        WHERE r.status = 'running'
        AND NOT EXISTS (SELECT 1 FROM workers w WHERE w.worker_id = r.worker_id)
        -- Whoever locks several threads does it in this order.
        ORDER BY thread_id, tenant
    LOOP
        run_id := held.run_id;
        graph_id := release_run(held.tenant, held.run_id, held.claim, true, interval '0');
        IF graph_id IS NOT NULL THEN
            RETURN NEXT;
        END IF;
    END LOOP;
END
$$;

-- A run that is removed before its end was rolled back, which its receiver is told; one that has ended takes its
-- deliveries along. Where the thread is deleted too, what is owed here goes with it.
CREATE OR REPLACE FUNCTION settle_webhook_of_removed_run() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    gone runs := OLD;
BEGIN
    IF OLD.finished_at IS NOT NULL THEN
        DELETE FROM webhook_deliveries WHERE tenant = OLD.tenant AND run_id = OLD.run_id;
        RETURN NULL;
    END IF;
    IF OLD.thread_id IS NOT NULL THEN
        PERFORM 1 FROM threads WHERE tenant = OLD.tenant AND thread_id = OLD.thread_id;
        IF NOT FOUND THEN
            RETURN NULL;
        END IF;
    END IF;
    gone.status := 'cancelled';
    gone.finished_at := clock_timestamp();
    INSERT INTO webhook_deliveries (tenant, run_id, thread_id, webhook, body)
    VALUES (OLD.tenant, OLD.run_id, OLD.thread_id, OLD.webhook, webhook_body(gone, true));
    RETURN NULL;
END
$$;
