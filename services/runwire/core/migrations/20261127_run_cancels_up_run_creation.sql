-- A run's creation: what may speak against it, its thread, its place in the thread's queue.

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
-- changed unless it is 'created'. For the strategies that cancel: `ended` are the pending runs that ended here at `ended_at`, and
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
    outcome text, run runs, ended uuid[], ended_at timestamptz[], stopping_run_id uuid, stopping_worker_id uuid,
    stopping_action text
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
    IF EXISTS (SELECT 1 FROM removed_runs g WHERE g.tenant = p_tenant AND g.run_id = p_run_id) THEN
        outcome := 'id_reused';
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
        -- What follows would find the thread busy with this very run.
        PERFORM 1 FROM runs r WHERE r.tenant = p_tenant AND r.run_id = p_run_id;
        IF FOUND THEN
            RAISE EXCEPTION 'run % was created meanwhile', p_run_id USING ERRCODE = 'serialization_failure';
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
        IF wrote_on_thread(p_tenant, p_thread_id, p_run_id) THEN
            outcome := 'id_reused';
            RETURN NEXT;
            RETURN;
        END IF;
        busy := EXISTS (
            SELECT 1 FROM runs r
            WHERE r.tenant = p_tenant AND r.thread_id = p_thread_id AND r.status IN ('pending', 'running')
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
        SELECT w.ended, w.ended_at, w.stopping_run_id, w.stopping_worker_id, w.stopping_action
        INTO ended, ended_at, stopping_run_id, stopping_worker_id, stopping_action
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
    IF NOT FOUND OR EXISTS (SELECT 1 FROM removed_runs g WHERE g.tenant = p_tenant AND g.run_id = p_run_id) THEN
        -- Another call with this id came first. This one is undone, and finds the run, or that it is gone, when it is made again.
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
