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
