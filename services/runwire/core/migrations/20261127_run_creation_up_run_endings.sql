-- How a worker's hold on a run ends: with the run's end, by giving it back, or with the worker's death.
--
-- A worker that did not hear that its batches were logged ends its run with all of their events in one batch. That batch takes the
-- place of all of them: the log is read by positions, so its batches must not overlap.

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
    -- A run ends as cancelled by somebody's wish alone.
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

-- Declares workers dead whose lease has run out, and gives their runs back. Any number of callers may do this at once.
CREATE FUNCTION reap_dead_workers(p_limit integer) RETURNS TABLE (run_id uuid, graph_id text)
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
        SELECT
            r.tenant COLLATE "C" AS tenant, r.run_id, r.claim, r.thread_id COLLATE "C" AS thread_id, r.due_at, r.position
        FROM runs r JOIN dead USING (worker_id) WHERE r.status = 'running'
        UNION ALL
        -- A run whose owner has no row at all: its worker was reaped while it claimed.
        SELECT r.tenant, r.run_id, r.claim, r.thread_id, r.due_at, r.position FROM runs r
        WHERE r.status = 'running'
        AND NOT EXISTS (SELECT 1 FROM workers w WHERE w.worker_id = r.worker_id)
        ORDER BY thread_id, tenant, due_at DESC, position DESC
    LOOP
        run_id := held.run_id;
        graph_id := release_run(held.tenant, held.run_id, held.claim, true, interval '0');
        IF graph_id IS NOT NULL THEN
            RETURN NEXT;
        END IF;
    END LOOP;
END
$$;
