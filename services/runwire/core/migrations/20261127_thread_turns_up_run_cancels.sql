-- Cancelled runs. A pending one ends at once; one that a worker executes is asked to stop, and ends as in the file of endings.

-- Keeps claims, which do not wait for the thread's lock, from the run that has the turn. A run that ends without having begun has
-- its place in its thread's stream by its end, which may not be before the beginning of a run that readers see sooner.
-- Returns the graph whose workers are to look again, since a claim may have passed the run over, or NULL: none waits.
CREATE FUNCTION hold_turn(p_tenant text, p_thread_id text, p_ending uuid) RETURNS text
LANGUAGE sql AS $$
    SELECT r.graph_id FROM runs r
    WHERE r.tenant = p_tenant AND r.thread_id = p_thread_id AND r.ready AND r.run_id <> p_ending
    FOR UPDATE
$$;

-- Ends a cancelled run that nobody executes any more, and passes nothing on. The caller holds the locks of its thread and of
-- the run. Returns when it ended: a moment of its own, since that is the run's place in its thread's stream.
CREATE FUNCTION end_cancelled_row(p_run runs, p_action text) RETURNS timestamptz
LANGUAGE plpgsql AS $$
DECLARE
    moment timestamptz := clock_timestamp();
BEGIN
    IF p_action = 'rollback' THEN
        IF p_run.claim > 0 THEN
            PERFORM delete_checkpoints_of_run(p_run.tenant, p_run.thread_id, p_run.run_id);
        END IF;
        DELETE FROM runs WHERE tenant = p_run.tenant AND run_id = p_run.run_id;
    ELSE
        UPDATE runs
        SET status = 'cancelled', ready = false, worker_id = NULL, executor = NULL,
            finished_at = moment, cancel_action = NULL
        WHERE tenant = p_run.tenant AND run_id = p_run.run_id;
    END IF;
    RETURN moment;
END
$$;

-- Ends a cancelled run that nobody executes any more. The caller holds the locks of its thread and of the run.
-- Returns the graph of the thread's next run, or NULL.
CREATE FUNCTION end_cancelled_run(p_run runs, p_action text) RETURNS text
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM end_cancelled_row(p_run, p_action);
    IF p_run.thread_id IS NULL THEN
        PERFORM delete_checkpoints_of_thread(checkpoint_thread(p_run.tenant, NULL, p_run.run_id));
        RETURN NULL;
    END IF;
    UPDATE threads SET updated_at = now() WHERE tenant = p_run.tenant AND thread_id = p_run.thread_id;
    RETURN pass_turn_on(p_run.tenant, p_run.thread_id);
END
$$;

-- Cancels all active runs of a thread for the sake of a new one. The pending ones have ended then; the one that runs, if
-- any, is asked to stop. The caller holds the thread's lock and sees to the thread's turn.
CREATE FUNCTION make_way(p_tenant text, p_thread_id text, p_run_id uuid, p_action text, p_moment timestamptz)
RETURNS TABLE (ended uuid[], ended_at timestamptz[], stopping_run_id uuid, stopping_worker_id uuid, stopping_action text)
LANGUAGE plpgsql AS $$
DECLARE
    waiting runs;
BEGIN
    PERFORM hold_turn(p_tenant, p_thread_id, p_run_id);
    ended := '{}';
    ended_at := '{}';
    -- Pending ones first: what a claim takes meanwhile is among the running ones then. The newest goes first, so that each
    -- is the last of its thread.
    FOR waiting IN
        SELECT r.* FROM runs r
        WHERE r.tenant = p_tenant AND r.thread_id = p_thread_id AND r.status = 'pending' AND r.run_id <> p_run_id
        ORDER BY r.due_at DESC, r.position DESC
        FOR UPDATE
    LOOP
        ended_at := ended_at || end_cancelled_row(waiting, p_action);
        ended := ended || waiting.run_id;
    END LOOP;
    UPDATE runs r
    SET cancel_action = CASE WHEN r.cancel_action = 'rollback' THEN 'rollback' ELSE p_action END
    WHERE r.tenant = p_tenant AND r.thread_id = p_thread_id AND r.status = 'running' AND r.run_id <> p_run_id
    RETURNING r.run_id, r.worker_id, r.cancel_action INTO stopping_run_id, stopping_worker_id, stopping_action;
    UPDATE threads SET updated_at = p_moment WHERE tenant = p_tenant AND thread_id = p_thread_id;
    RETURN NEXT;
END
$$;

-- Asks for a run's end. outcome: 'not_found', 'ended' (it had ended before), 'cancelled' (it was pending: it has ended here),
-- 'requested' (its worker has to stop it), 'other_status' (it is active, but not in p_status: nothing was changed). A rollback
-- overrides an interrupt that was asked for before.
CREATE FUNCTION cancel_run(p_tenant text, p_run_id uuid, p_action text, p_status text DEFAULT NULL)
RETURNS TABLE (outcome text, run runs, promoted_graph_id text)
LANGUAGE plpgsql AS $$
DECLARE
    held_graph_id text;
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
        held_graph_id := hold_turn(run.tenant, run.thread_id, run.run_id);
        promoted_graph_id := COALESCE(end_cancelled_run(run, p_action), held_graph_id);
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
