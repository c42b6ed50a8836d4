-- name: applied
-- What earlier claims have done with the run's input. moved: the thread's head is the run's own; commanded: the checkpoint
-- that it starts from, of a run before it, bears what the run's Command writes.
-- $1 tenant, $2 thread or NULL, $3 run, $4 namespace and $5 id of the checkpoint that it forks from, or NULL
SELECT
    COALESCE(head.metadata ->> 'run_id' = $3::uuid::text, false) AS moved,
    EXISTS (
        SELECT FROM checkpoint_writes w
        WHERE w.thread_id = head.thread_id AND w.checkpoint_ns = ''
        AND w.checkpoint_id = COALESCE(
            -- Of a subgraph's checkpoint, the one of the outermost graph.
            (
                SELECT c.metadata -> 'parents' ->> '' FROM checkpoints c
                WHERE c.thread_id = head.thread_id AND c.checkpoint_ns = $4::text AND c.checkpoint_id = $5::text
            ),
            $5, head.checkpoint_id
        )
        AND w.task_id = '00000000-0000-0000-0000-000000000000' AND w.run_id = $3
    ) AS commanded
FROM checkpoints head
WHERE head.thread_id = checkpoint_thread($1, $2, $3) AND head.checkpoint_ns = ''
ORDER BY head.checkpoint_id DESC
LIMIT 1
