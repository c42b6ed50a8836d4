-- name: end_update
-- $1 request, $2 claim, $3 response, $4 error reason, $5 error message
SELECT held, promoted_graph_id FROM end_state_update($1, $2, $3, $4, $5)

-- name: has_checkpoint
-- Whether the checkpoint that an update went on from is still there.
-- $1 the thread as the checkpoint tables have it, $2 namespace, $3 checkpoint id
SELECT EXISTS (
    SELECT 1 FROM checkpoints WHERE thread_id = $1 AND checkpoint_ns = $2 AND checkpoint_id = $3
)

-- name: store_values
-- What the thread shows without a worker. The caller holds the thread's lock.
-- $1 tenant, $2 thread, $3 values, $4 interrupts, $5 whether the graph has something left to do
UPDATE threads
SET status = CASE WHEN $5::boolean THEN 'interrupted' ELSE 'idle' END, error_type = NULL, error_message = NULL,
    values = $3::text::jsonb, interrupts = $4::text::jsonb,
    updated_at = clock_timestamp(), state_updated_at = clock_timestamp()
WHERE tenant = $1 AND thread_id = $2
