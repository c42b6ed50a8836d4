-- The order of locks, as the file of threads' turns has it, among runs without a thread too: a dead worker may have held many, and
-- they are cancelled and logged by others at the same time.

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
