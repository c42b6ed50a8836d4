-- name: applied
-- What earlier claims have done with the run's input. moved: the thread's head is the run's own; commanded: the checkpoint
-- that it starts from, start_id, of a run before it, bears what the run's Command writes.
-- $1 tenant, $2 thread or NULL, $3 run, $4 namespace and $5 id of the checkpoint that it forks from, or NULL
SELECT
    start.moved, start.start_id,
    EXISTS (
        SELECT FROM checkpoint_writes w
        WHERE w.thread_id = start.thread_id AND w.checkpoint_ns = '' AND w.checkpoint_id = start.start_id
        AND w.task_id = '00000000-0000-0000-0000-000000000000' AND w.run_id = $3
    ) AS commanded
FROM (
    SELECT
        head.thread_id, COALESCE(head.metadata ->> 'run_id' = $3::uuid::text, false) AS moved,
        COALESCE(
            -- Of a subgraph's checkpoint, the one of the outermost graph.
            (
                SELECT c.metadata -> 'parents' ->> '' FROM checkpoints c
                WHERE c.thread_id = head.thread_id AND c.checkpoint_ns = $4::text AND c.checkpoint_id = $5::text
            ),
            $5, head.checkpoint_id
        ) AS start_id
    FROM checkpoints head
    WHERE head.thread_id = checkpoint_thread($1, $2, $3) AND head.checkpoint_ns = ''
    ORDER BY head.checkpoint_id DESC
    LIMIT 1
) AS start

-- name: answers
-- The answers that tasks had when they were last executed for the run, those they had `before`, and what they `asked` before,
-- at the checkpoint that the run starts from or, in subgraphs, at later ones.
-- $1 tenant, $2 thread or NULL, $3 run, $4 start_id
SELECT
    w.type AS given_type, w.blob AS given, w.replaced_type AS before_type, w.replaced_blob AS before,
    CASE WHEN i.run_id = $3 THEN i.replaced_type ELSE i.type END AS asked_type,
    CASE WHEN i.run_id = $3 THEN i.replaced_blob ELSE i.blob END AS asked
FROM checkpoint_writes w
LEFT JOIN checkpoint_writes i
    ON i.thread_id = w.thread_id AND i.checkpoint_ns = w.checkpoint_ns AND i.checkpoint_id = w.checkpoint_id
    AND i.task_id = w.task_id AND i.channel = '__interrupt__'
WHERE w.thread_id = checkpoint_thread($1, $2, $3) AND w.checkpoint_id >= $4
    AND w.channel = '__resume__' AND w.task_id <> '00000000-0000-0000-0000-000000000000' AND w.run_id = $3
