-- Runs without a thread, whose checkpoints lie apart from those of threads: a run may bear the id of a thread.

-- The column of the checkpoint tables that a thread's rows carry, or those of a run without one. No id of a thread has a '#'.
-- Tenants other than the default have theirs apart.
CREATE OR REPLACE FUNCTION checkpoint_thread(p_tenant text, p_thread_id text, p_run_id uuid) RETURNS text
LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN p_tenant = 'default' THEN '' ELSE p_tenant || '/' END || COALESCE(p_thread_id, p_run_id::text || '#')
$$;

-- What such runs have written so far they go on from. Where a thread bears the same id, what lies there is the thread's.
DO $$
DECLARE
    run record;
BEGIN
    FOR run IN
        SELECT checkpoint_thread(r.tenant, r.run_id::text, NULL) AS former, checkpoint_thread(r.tenant, NULL, r.run_id) AS own
        FROM runs r
        WHERE r.thread_id IS NULL AND r.status IN ('pending', 'running') AND r.claim > 0
        AND NOT EXISTS (SELECT FROM threads t WHERE t.tenant = r.tenant AND t.thread_id = r.run_id::text)
    LOOP
        UPDATE checkpoints SET thread_id = run.own WHERE thread_id = run.former;
        UPDATE checkpoint_blobs SET thread_id = run.own WHERE thread_id = run.former;
        UPDATE checkpoint_writes SET thread_id = run.own WHERE thread_id = run.former;
    END LOOP;
END
$$;

-- What follows is defined anew without parameters that were given one value only, and without a second name for `pass_turn_on`.

DROP FUNCTION finish_run, create_run;

-- Ends a run for the holder of its claim: status, last events, the thread's values, and the thread's next run.
-- p_values: the thread's values where they differ from p_output; with neither, the thread keeps those it has.
-- outcome: 'finished', 'rolled_back', 'stale' (the claim is not the run's any more: nothing was changed),
-- 'cancel_requested' (a cancel came first and p_status is not 'cancelled': nothing was changed).
-- Locks: the thread's, then the run's.
CREATE FUNCTION finish_run(
    p_run_id uuid, p_claim integer, p_tenant text, p_thread_id text, p_status text,
    p_output json, p_values jsonb, p_interrupts jsonb, p_error_type text, p_error_message text,
    p_first_seq integer, p_last_seq integer, p_events bytea
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
    -- Nobody has cancelled this run: it bears the id of one that was deleted while it ran, and the claim was of that one.
    IF NOT FOUND OR (p_status = 'cancelled' AND mine.cancel_action IS NULL) THEN
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
    ELSE
        PERFORM delete_checkpoints_of_thread(checkpoint_thread(p_tenant, NULL, p_run_id));
    END IF;
    outcome := 'finished';
    RETURN NEXT;
END
$$;

CREATE INDEX checkpoint_writes_of_commands ON checkpoint_writes (run_id)
WHERE task_id = '00000000-0000-0000-0000-000000000000';

-- Whether a thread has checkpoints of a run, or, on those of another one, what its Command writes. By the id alone: a thread may
-- have many more checkpoints than a run.
CREATE FUNCTION wrote_on_thread(p_tenant text, p_thread_id text, p_run_id uuid) RETURNS boolean
LANGUAGE sql STABLE AS $$
    SELECT EXISTS (
        SELECT FROM (
            SELECT c.thread_id FROM checkpoints c WHERE c.metadata ->> 'run_id' = p_run_id::text
            UNION ALL
            SELECT w.thread_id FROM checkpoint_writes w
            WHERE w.run_id = p_run_id AND w.task_id = '00000000-0000-0000-0000-000000000000'
            OFFSET 0
        ) AS written
        WHERE written.thread_id = checkpoint_thread(p_tenant, p_thread_id, p_run_id)
    )
$$;

-- Stores a run. outcome: 'created', 'exists' (same id, same request), 'id_reused', 'thread_not_found', 'checkpoint_not_found',
-- 'thread_busy', 'assistant_changed' (p_assistant_version is not the latest any more: read the assistant again). Nothing is
-- changed unless it is 'created'. For the strategies that cancel: `ended` are the pending runs that have ended here, and
-- stopping_* says which run its worker has to stop; the new one is next then. p_open_runs: as check_open_runs.
-- p_ttl_strategy and p_ttl: the time to live of a thread that is made here, or NULLs.
CREATE FUNCTION create_run(
    p_run_id uuid, p_tenant text, p_thread_id text, p_create_thread boolean,
    p_assistant_id text, p_assistant_version integer, p_graph_id text,
    p_strategy text, p_delay interval, p_request bytea, p_digest bytea,
    p_base_metadata jsonb, p_metadata jsonb, p_event_log boolean,
    p_run_timeout interval DEFAULT NULL, p_webhook bytea DEFAULT NULL,
    p_checkpoint_id text DEFAULT NULL, p_checkpoint_ns text DEFAULT '', p_open_runs integer DEFAULT NULL,
    p_ttl_strategy text DEFAULT NULL, p_ttl interval DEFAULT NULL
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
            INSERT INTO threads (tenant, thread_id, metadata, graph_id, assistant_id, ttl_strategy, ttl)
            VALUES (
                p_tenant, p_thread_id, jsonb_build_object('graph_id', p_graph_id, 'assistant_id', p_assistant_id),
                p_graph_id, p_assistant_id, p_ttl_strategy, p_ttl
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
        -- What a deleted run with this id has left would be taken for this one's, by LangGraph and by a rollback.
        IF wrote_on_thread(p_tenant, p_thread_id, p_run_id)
            AND NOT EXISTS (SELECT 1 FROM runs r WHERE r.tenant = p_tenant AND r.run_id = p_run_id)
        THEN
            outcome := 'id_reused';
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
        created_at, due_at, request, request_digest, metadata, event_log, run_timeout, webhook
    )
    VALUES (
        p_run_id, p_tenant, p_thread_id, p_assistant_id, p_assistant_version, p_graph_id, p_strategy, NOT busy,
        moment, moment + p_delay, p_request, p_digest,
        p_base_metadata || thread_metadata || p_metadata, p_event_log, p_run_timeout, p_webhook
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

-- Ends an update for the holder of its claim, with an answer or with a refusal. Not held: nothing was changed.
-- Returns the graph of the thread's next run as well, or NULL.
CREATE OR REPLACE FUNCTION end_state_update(
    p_request_id uuid, p_claim integer, p_response bytea, p_error_reason text, p_error_message text
) RETURNS TABLE (held boolean, promoted_graph_id text)
LANGUAGE plpgsql AS $$
DECLARE
    mine state_requests;
BEGIN
    held := false;
    SELECT s.* INTO mine FROM state_requests s WHERE s.request_id = p_request_id;
    IF FOUND THEN
        PERFORM 1 FROM threads t WHERE t.tenant = mine.tenant AND t.thread_id = mine.thread_id FOR UPDATE;
        UPDATE state_requests s
        SET status = 'done', response = p_response, error_reason = p_error_reason, error_message = p_error_message
        WHERE s.request_id = p_request_id AND s.claim = p_claim AND s.status = 'running';
        held := FOUND;
    END IF;
    IF held THEN
        promoted_graph_id := pass_turn_on(mine.tenant, mine.thread_id);
    END IF;
    RETURN NEXT;
END
$$;

-- Removes a request that nobody waits for, or, with p_only_pending, one that nobody has begun. What an update has written by
-- then goes with its transaction. Returns whether it was removed, and the graph of the thread's next run, or NULL.
CREATE OR REPLACE FUNCTION remove_state_request(p_request_id uuid, p_only_pending boolean)
RETURNS TABLE (removed boolean, promoted_graph_id text)
LANGUAGE plpgsql AS $$
DECLARE
    found_request state_requests;
BEGIN
    removed := false;
    SELECT s.* INTO found_request FROM state_requests s WHERE s.request_id = p_request_id;
    IF FOUND THEN
        IF found_request.kind = 'update' THEN
            PERFORM 1 FROM threads t
            WHERE t.tenant = found_request.tenant AND t.thread_id = found_request.thread_id FOR UPDATE;
        END IF;
        DELETE FROM state_requests s
        WHERE s.request_id = p_request_id AND (NOT p_only_pending OR s.status = 'pending');
        removed := FOUND;
    END IF;
    IF removed AND found_request.kind = 'update' THEN
        promoted_graph_id := pass_turn_on(found_request.tenant, found_request.thread_id);
    END IF;
    RETURN NEXT;
END
$$;

DROP FUNCTION promote_next_run;
