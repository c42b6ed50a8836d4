-- Whose the rows of the checkpoint tables are: those of a thread, of a run without one, and those that a run wrote to its thread.
-- What lies in these tables may have been written by anybody: a value of a wrong type fails no statement. Whoever reads the
-- checkpoint says what is wrong with it.

-- The column of the checkpoint tables that a thread's rows carry, or those of a run without one: it may bear the id of a thread,
-- and no id of a thread has a '#'. Tenants other than the default have theirs apart.
CREATE FUNCTION checkpoint_thread(p_tenant text, p_thread_id text, p_run_id uuid) RETURNS text
LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN p_tenant = 'default' THEN '' ELSE p_tenant || '/' END || COALESCE(p_thread_id, p_run_id::text || '#')
$$;

CREATE FUNCTION json_object_or_null(p_value jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE jsonb_typeof(p_value) WHEN 'object' THEN p_value END
$$;

-- Removes what a run has written to its thread's checkpoints, and puts back what it replaced. The run is the newest of its
-- thread, so no later checkpoint builds on what goes.
CREATE FUNCTION delete_checkpoints_of_run(p_tenant text, p_thread_id text, p_run_id uuid) RETURNS void
LANGUAGE sql AS $$
    UPDATE checkpoint_writes
    SET type = replaced_type, blob = replaced_blob, run_id = replaced_run_id,
        replaced_run_id = NULL, replaced_type = NULL, replaced_blob = NULL
    WHERE thread_id = checkpoint_thread(p_tenant, p_thread_id, p_run_id) AND run_id = p_run_id
    AND replaced_blob IS NOT NULL;
    DELETE FROM checkpoint_writes
    WHERE thread_id = checkpoint_thread(p_tenant, p_thread_id, p_run_id) AND run_id = p_run_id;
    WITH gone AS (
        DELETE FROM checkpoints
        WHERE thread_id = checkpoint_thread(p_tenant, p_thread_id, p_run_id) AND metadata ->> 'run_id' = p_run_id::text
        RETURNING thread_id, checkpoint_ns, checkpoint_id, checkpoint
    ), writes AS (
        DELETE FROM checkpoint_writes w USING gone
        WHERE (w.thread_id, w.checkpoint_ns, w.checkpoint_id) = (gone.thread_id, gone.checkpoint_ns, gone.checkpoint_id)
    ), versions AS (
        SELECT DISTINCT gone.thread_id, gone.checkpoint_ns, v.key AS channel, v.value AS version
        FROM gone, jsonb_each_text(json_object_or_null(gone.checkpoint -> 'channel_versions')) v
    )
    DELETE FROM checkpoint_blobs b USING versions v
    WHERE (b.thread_id, b.checkpoint_ns, b.channel, b.version) = (v.thread_id, v.checkpoint_ns, v.channel, v.version)
    AND NOT EXISTS (
        SELECT 1 FROM checkpoints c
        WHERE c.thread_id = b.thread_id AND c.checkpoint_ns = b.checkpoint_ns
        AND c.metadata ->> 'run_id' IS DISTINCT FROM p_run_id::text
        AND c.checkpoint -> 'channel_versions' ->> b.channel = b.version
    )
$$;

-- Removes everything under a checkpoint thread.
CREATE FUNCTION delete_checkpoints_of_thread(p_checkpoint_thread text) RETURNS void
LANGUAGE sql AS $$
    DELETE FROM checkpoint_writes WHERE thread_id = p_checkpoint_thread;
    DELETE FROM checkpoint_blobs WHERE thread_id = p_checkpoint_thread;
    DELETE FROM checkpoints WHERE thread_id = p_checkpoint_thread;
$$;
