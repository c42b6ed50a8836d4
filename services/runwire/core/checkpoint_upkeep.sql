-- Copying and removing checkpoints, in a transaction of the caller's.

-- name: delete_threads
-- $1 threads.
WITH gone_checkpoints AS (
    DELETE FROM checkpoints WHERE thread_id = ANY ($1::text[])
), gone_writes AS (
    DELETE FROM checkpoint_writes WHERE thread_id = ANY ($1::text[])
)
DELETE FROM checkpoint_blobs WHERE thread_id = ANY ($1::text[])

-- name: copy_thread
-- $1 from thread, $2 to thread. What the target has already, it keeps.
WITH checkpoints_copied AS (
    INSERT INTO checkpoints
        (thread_id, checkpoint_ns, checkpoint_id, parent_checkpoint_id, type, checkpoint, metadata)
    SELECT $2, checkpoint_ns, checkpoint_id, parent_checkpoint_id, type, checkpoint, metadata
    FROM checkpoints WHERE thread_id = $1
    ON CONFLICT (thread_id, checkpoint_ns, checkpoint_id) DO NOTHING
), blobs_copied AS (
    INSERT INTO checkpoint_blobs (thread_id, checkpoint_ns, channel, version, type, blob)
    SELECT $2, checkpoint_ns, channel, version, type, blob
    FROM checkpoint_blobs WHERE thread_id = $1
    ON CONFLICT (thread_id, checkpoint_ns, channel, version) DO NOTHING
)
INSERT INTO checkpoint_writes
    (thread_id, checkpoint_ns, checkpoint_id, task_id, task_path, idx, channel, type, blob)
SELECT $2, checkpoint_ns, checkpoint_id, task_id, task_path, idx, channel, type, blob
FROM checkpoint_writes WHERE thread_id = $1
ON CONFLICT (thread_id, checkpoint_ns, checkpoint_id, task_id, idx) DO NOTHING

-- name: doomed_but_latest
-- $1 thread. The checkpoints that keeping the latest state does not need. Kept are, of each namespace, the newest; its
-- parent where that holds the sends of an old format; and the ancestors from which its delta channels are rebuilt. The
-- namespace of one subgraph call (it has a task id after a colon) goes as a whole once the root checkpoint that made the
-- call is saved and is no longer the newest. A thread of LangGraph.js with delta channels is left alone: its checkpoints
-- do not say which channels those are.
WITH RECURSIVE heads AS (
    SELECT DISTINCT ON (checkpoint_ns)
        checkpoint_ns, checkpoint_id, parent_checkpoint_id, checkpoint, metadata -> 'parents' ->> '' AS root_id
    FROM checkpoints
    WHERE thread_id = $1
    ORDER BY checkpoint_ns DESC, checkpoint_id DESC
), past_calls AS (
    SELECT h.checkpoint_ns FROM heads AS h
    WHERE position(':' IN h.checkpoint_ns) > 0
        AND EXISTS (
            SELECT FROM checkpoints AS r
            WHERE r.thread_id = $1 AND r.checkpoint_ns = '' AND r.checkpoint_id = h.root_id
        )
        AND NOT EXISTS (SELECT FROM heads AS r WHERE r.checkpoint_ns = '' AND r.checkpoint_id = h.root_id)
), delta_channels AS (
    SELECT DISTINCT c.checkpoint_ns, k.channel
    FROM checkpoints AS c
    CROSS JOIN LATERAL (
        SELECT jsonb_object_keys(json_object_or_null(c.metadata -> 'counters_since_delta_snapshot')) AS channel
        UNION ALL
        SELECT v.key FROM jsonb_each(json_object_or_null(c.checkpoint -> 'channel_values')) AS v
        WHERE v.value = 'true' AND EXISTS (
            SELECT FROM checkpoint_blobs AS b
            WHERE b.thread_id = $1 AND b.checkpoint_ns = c.checkpoint_ns AND b.channel = v.key
                AND b.version = c.checkpoint -> 'channel_versions' ->> v.key
        )
    ) AS k
    WHERE c.thread_id = $1
), needed (checkpoint_ns, checkpoint_id, parent_checkpoint_id, missing) AS (
    SELECT
        h.checkpoint_ns, h.checkpoint_id, h.parent_checkpoint_id,
        ARRAY(
            SELECT d.channel FROM delta_channels AS d
            WHERE d.checkpoint_ns = h.checkpoint_ns
                AND h.checkpoint -> 'channel_versions' ? d.channel
                AND coalesce(jsonb_typeof(h.checkpoint -> 'channel_values' -> d.channel), 'null') = 'null'
                AND NOT EXISTS (
                    SELECT FROM checkpoint_blobs AS b
                    WHERE b.thread_id = $1 AND b.checkpoint_ns = h.checkpoint_ns AND b.channel = d.channel
                        AND b.version = h.checkpoint -> 'channel_versions' ->> d.channel AND b.type <> 'empty'
                )
        )
    FROM heads AS h
    WHERE NOT EXISTS (SELECT FROM past_calls AS p WHERE p.checkpoint_ns = h.checkpoint_ns)
    UNION ALL
    SELECT
        c.checkpoint_ns, c.checkpoint_id, c.parent_checkpoint_id,
        ARRAY(
            SELECT m.channel FROM unnest(n.missing) AS m (channel)
            WHERE coalesce(jsonb_typeof(c.checkpoint -> 'channel_values' -> m.channel), 'null') = 'null'
                AND NOT EXISTS (
                    SELECT FROM checkpoint_blobs AS b
                    WHERE b.thread_id = $1 AND b.checkpoint_ns = c.checkpoint_ns AND b.channel = m.channel
                        AND b.version = c.checkpoint -> 'channel_versions' ->> m.channel AND b.type <> 'empty'
                )
        )
    FROM needed AS n
    JOIN checkpoints AS c
        ON c.thread_id = $1 AND c.checkpoint_ns = n.checkpoint_ns AND c.checkpoint_id = n.parent_checkpoint_id
    WHERE n.missing <> '{}'
), kept AS (
    SELECT checkpoint_ns, checkpoint_id FROM needed
    UNION
    SELECT h.checkpoint_ns, h.parent_checkpoint_id FROM heads AS h
    WHERE h.checkpoint -> 'v' < '4' AND EXISTS (
        SELECT FROM checkpoint_writes AS w
        WHERE w.thread_id = $1 AND w.checkpoint_ns = h.checkpoint_ns AND w.checkpoint_id = h.parent_checkpoint_id
            AND w.channel = '__pregel_tasks'
    ) AND NOT EXISTS (SELECT FROM past_calls AS p WHERE p.checkpoint_ns = h.checkpoint_ns)
)
SELECT c.thread_id, c.checkpoint_ns, c.checkpoint_id
FROM checkpoints AS c
WHERE c.thread_id = $1
    AND NOT EXISTS (SELECT FROM kept AS k WHERE k.checkpoint_ns = c.checkpoint_ns AND k.checkpoint_id = c.checkpoint_id)
    AND NOT EXISTS (SELECT FROM checkpoints AS j WHERE j.thread_id = $1 AND j.metadata ? 'delta_writes_versioned')

-- name: doomed_with_runs
-- $1 run ids, $2 tenant. The runs' checkpoints, but for those from which a checkpoint that stays rebuilds its delta channels.
WITH RECURSIVE marked AS (
    SELECT thread_id, checkpoint_ns, checkpoint_id
    FROM checkpoints
    WHERE metadata ->> 'run_id' = ANY ($1::text[])
        AND $2 = CASE WHEN position('/' IN thread_id) = 0 THEN 'default' ELSE split_part(thread_id, '/', 1) END
), places AS (
    SELECT DISTINCT thread_id, checkpoint_ns FROM marked
), delta_channels AS (
    SELECT DISTINCT c.thread_id, c.checkpoint_ns, k.channel
    FROM places AS p
    JOIN checkpoints AS c ON c.thread_id = p.thread_id AND c.checkpoint_ns = p.checkpoint_ns
    CROSS JOIN LATERAL (
        SELECT jsonb_object_keys(json_object_or_null(c.metadata -> 'counters_since_delta_snapshot')) AS channel
        UNION ALL
        SELECT v.key FROM jsonb_each(json_object_or_null(c.checkpoint -> 'channel_values')) AS v
        WHERE v.value = 'true' AND EXISTS (
            SELECT FROM checkpoint_blobs AS b
            WHERE b.thread_id = c.thread_id AND b.checkpoint_ns = c.checkpoint_ns AND b.channel = v.key
                AND b.version = c.checkpoint -> 'channel_versions' ->> v.key
        )
    ) AS k
), needed (thread_id, checkpoint_ns, checkpoint_id, parent_checkpoint_id, missing) AS (
    SELECT
        c.thread_id, c.checkpoint_ns, c.checkpoint_id, c.parent_checkpoint_id,
        ARRAY(
            SELECT d.channel FROM delta_channels AS d
            WHERE d.thread_id = c.thread_id AND d.checkpoint_ns = c.checkpoint_ns
                AND c.checkpoint -> 'channel_versions' ? d.channel
                AND coalesce(jsonb_typeof(c.checkpoint -> 'channel_values' -> d.channel), 'null') = 'null'
                AND NOT EXISTS (
                    SELECT FROM checkpoint_blobs AS b
                    WHERE b.thread_id = c.thread_id AND b.checkpoint_ns = c.checkpoint_ns AND b.channel = d.channel
                        AND b.version = c.checkpoint -> 'channel_versions' ->> d.channel AND b.type <> 'empty'
                )
        )
    FROM marked AS m
    JOIN checkpoints AS c
        ON c.thread_id = m.thread_id AND c.checkpoint_ns = m.checkpoint_ns AND c.parent_checkpoint_id = m.checkpoint_id
    WHERE NOT EXISTS (
        SELECT FROM marked AS x
        WHERE x.thread_id = c.thread_id AND x.checkpoint_ns = c.checkpoint_ns AND x.checkpoint_id = c.checkpoint_id
    )
    UNION
    SELECT
        c.thread_id, c.checkpoint_ns, c.checkpoint_id, c.parent_checkpoint_id,
        ARRAY(
            SELECT m.channel FROM unnest(n.missing) AS m (channel)
            WHERE coalesce(jsonb_typeof(c.checkpoint -> 'channel_values' -> m.channel), 'null') = 'null'
                AND NOT EXISTS (
                    SELECT FROM checkpoint_blobs AS b
                    WHERE b.thread_id = c.thread_id AND b.checkpoint_ns = c.checkpoint_ns AND b.channel = m.channel
                        AND b.version = c.checkpoint -> 'channel_versions' ->> m.channel AND b.type <> 'empty'
                )
        )
    FROM needed AS n
    JOIN checkpoints AS c
        ON c.thread_id = n.thread_id AND c.checkpoint_ns = n.checkpoint_ns AND c.checkpoint_id = n.parent_checkpoint_id
    WHERE n.missing <> '{}'
)
SELECT m.thread_id, m.checkpoint_ns, m.checkpoint_id
FROM marked AS m
WHERE NOT EXISTS (
    SELECT FROM needed AS n
    WHERE n.thread_id = m.thread_id AND n.checkpoint_ns = m.checkpoint_ns AND n.checkpoint_id = m.checkpoint_id
)

-- name: sweep
-- The checkpoints to remove: $1 threads, $2 namespaces, $3 ids. With them go their writes, the blobs that no other
-- checkpoint of the namespace refers to, and the parent pointers at them. Writes may be saved before their checkpoint, so
-- writes of a checkpoint that is not there are not ours to remove.
WITH doomed AS MATERIALIZED (
    SELECT d.thread_id, d.checkpoint_ns, d.checkpoint_id
    FROM unnest($1::text[], $2::text[], $3::text[]) AS d (thread_id, checkpoint_ns, checkpoint_id)
), gone AS (
    DELETE FROM checkpoints AS c
    USING doomed AS d
    WHERE c.thread_id = d.thread_id AND c.checkpoint_ns = d.checkpoint_ns AND c.checkpoint_id = d.checkpoint_id
    RETURNING c.thread_id, c.checkpoint_ns, c.checkpoint -> 'channel_versions' AS versions
), gone_writes AS (
    DELETE FROM checkpoint_writes AS w
    USING doomed AS d
    WHERE w.thread_id = d.thread_id AND w.checkpoint_ns = d.checkpoint_ns AND w.checkpoint_id = d.checkpoint_id
), orphans AS (
    UPDATE checkpoints AS c
    SET parent_checkpoint_id = NULL
    FROM doomed AS d
    WHERE c.thread_id = d.thread_id AND c.checkpoint_ns = d.checkpoint_ns AND c.parent_checkpoint_id = d.checkpoint_id
        AND NOT EXISTS (
            SELECT FROM doomed AS x
            WHERE x.thread_id = c.thread_id AND x.checkpoint_ns = c.checkpoint_ns AND x.checkpoint_id = c.checkpoint_id
        )
), places AS (
    SELECT DISTINCT thread_id, checkpoint_ns FROM doomed
), garbage AS (
    SELECT g.thread_id, g.checkpoint_ns, v.key AS channel, v.value AS version
    FROM gone AS g
    CROSS JOIN LATERAL jsonb_each_text(json_object_or_null(g.versions)) AS v
    EXCEPT
    SELECT c.thread_id, c.checkpoint_ns, v.key, v.value
    FROM places AS p
    JOIN checkpoints AS c ON c.thread_id = p.thread_id AND c.checkpoint_ns = p.checkpoint_ns
    CROSS JOIN LATERAL jsonb_each_text(json_object_or_null(c.checkpoint -> 'channel_versions')) AS v
    WHERE NOT EXISTS (
        SELECT FROM doomed AS x
        WHERE x.thread_id = c.thread_id AND x.checkpoint_ns = c.checkpoint_ns AND x.checkpoint_id = c.checkpoint_id
    )
)
DELETE FROM checkpoint_blobs AS b
USING garbage AS g
WHERE b.thread_id = g.thread_id AND b.checkpoint_ns = g.checkpoint_ns AND b.channel = g.channel AND b.version = g.version
