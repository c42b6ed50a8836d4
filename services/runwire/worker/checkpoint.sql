-- The statements of a running graph. $1 to $3 of the writing ones are the fence: the run's tenant, its id and its claim. A null
-- id means unfenced. A run that has a worker is running; said so, it is found by its key and not in an index of running ones.
-- The lock makes a takeover's UPDATE of the run and the write wait for each other, whichever is first, and it is taken before any
-- row is touched.

-- name: put_checkpoint
-- $4 thread, $5 namespace, $6 checkpoint id, $7 parent's id, $8 checkpoint, $9 metadata; blobs: $10 channels, $11 versions,
-- $12 types, $13 bytes. Returns whether the fence held.
WITH claim AS MATERIALIZED (
    SELECT FROM runs WHERE tenant = $1 AND run_id = $2 AND claim = $3 AND worker_id IS NOT NULL FOR SHARE
), fence AS MATERIALIZED (
    SELECT $2::uuid IS NULL OR EXISTS (SELECT FROM claim) AS held
), stored_blobs AS (
    INSERT INTO checkpoint_blobs (thread_id, checkpoint_ns, channel, version, type, blob)
    SELECT $4, $5, b.channel, b.version, b.type, b.blob
    FROM fence
    CROSS JOIN unnest($10::text[], $11::text[], $12::text[], $13::bytea[]) AS b (channel, version, type, blob)
    WHERE fence.held
    ON CONFLICT (thread_id, checkpoint_ns, channel, version) DO NOTHING
), stored_checkpoint AS (
    INSERT INTO checkpoints (thread_id, checkpoint_ns, checkpoint_id, parent_checkpoint_id, checkpoint, metadata)
    SELECT $4, $5, $6, $7, $8::text::jsonb, $9::text::jsonb
    FROM fence
    WHERE fence.held
    ON CONFLICT (thread_id, checkpoint_ns, checkpoint_id) DO UPDATE
    SET checkpoint = EXCLUDED.checkpoint, metadata = EXCLUDED.metadata
)
SELECT held FROM fence

-- name: put_writes
-- $4 thread, $5 namespace, $6 checkpoint id, $7 task, $8 task path; writes: $9 positions, $10 channels, $11 types, $12 bytes.
-- An ordinary write is stored once; a special one (negative position: error, interrupt, resume, scheduled) is replaced,
-- and what it replaces of another run is kept beside it, for a rollback.
-- Returns whether the fence held.
WITH claim AS MATERIALIZED (
    SELECT FROM runs WHERE tenant = $1 AND run_id = $2 AND claim = $3 AND worker_id IS NOT NULL FOR SHARE
), fence AS MATERIALIZED (
    SELECT $2::uuid IS NULL OR EXISTS (SELECT FROM claim) AS held
), stored_writes AS (
    INSERT INTO checkpoint_writes AS x
        (thread_id, checkpoint_ns, checkpoint_id, task_id, task_path, idx, channel, type, blob, run_id)
    SELECT $4, $5, $6, $7, $8, w.idx, w.channel, w.type, w.blob, $2
    FROM fence
    CROSS JOIN unnest($9::int[], $10::text[], $11::text[], $12::bytea[]) AS w (idx, channel, type, blob)
    WHERE fence.held
    ON CONFLICT (thread_id, checkpoint_ns, checkpoint_id, task_id, idx) DO UPDATE
    SET channel = EXCLUDED.channel, type = EXCLUDED.type, blob = EXCLUDED.blob, run_id = EXCLUDED.run_id,
        replaced_run_id = CASE WHEN x.run_id IS DISTINCT FROM $2 THEN x.run_id ELSE x.replaced_run_id END,
        replaced_type = CASE WHEN x.run_id IS DISTINCT FROM $2 THEN x.type ELSE x.replaced_type END,
        replaced_blob = CASE WHEN x.run_id IS DISTINCT FROM $2 THEN x.blob ELSE x.replaced_blob END
    WHERE EXCLUDED.idx < 0
)
SELECT held FROM fence

-- name: get_checkpoint
-- $1 thread, $2 namespace, $3 checkpoint id, or null for the newest. Each LIMIT 1 keeps the planner at one primary key
-- look-up a channel; joined, it may choose to read every blob of a long thread. Before version 4, what was sent to a
-- checkpoint's tasks lies with its parent's writes.
SELECT
    c.thread_id, c.checkpoint_ns, c.checkpoint_id, c.parent_checkpoint_id,
    c.checkpoint::text AS checkpoint, c.metadata::text AS metadata,
    b.blob_channels, b.blob_types, b.blobs,
    w.write_tasks, w.write_channels, w.write_types, w.writes,
    s.send_types, s.sends
FROM (
    (
        SELECT thread_id, checkpoint_ns, checkpoint_id, parent_checkpoint_id, checkpoint, metadata
        FROM checkpoints
        WHERE $3::text IS NOT NULL AND thread_id = $1 AND checkpoint_ns = $2 AND checkpoint_id = $3
    )
    UNION ALL
    (
        SELECT thread_id, checkpoint_ns, checkpoint_id, parent_checkpoint_id, checkpoint, metadata
        FROM checkpoints
        WHERE $3::text IS NULL AND thread_id = $1 AND checkpoint_ns = $2
        ORDER BY checkpoint_id DESC
        LIMIT 1
    )
) AS c
CROSS JOIN LATERAL (
    SELECT array_agg(v.key) AS blob_channels, array_agg(x.type) AS blob_types, array_agg(x.blob) AS blobs
    FROM jsonb_each_text(json_object_or_null(c.checkpoint -> 'channel_versions')) AS v
    CROSS JOIN LATERAL (
        SELECT type, blob FROM checkpoint_blobs
        WHERE thread_id = c.thread_id AND checkpoint_ns = c.checkpoint_ns AND channel = v.key AND version = v.value
            AND type <> 'empty'
        LIMIT 1
    ) AS x
) AS b
CROSS JOIN LATERAL (
    SELECT array_agg(x.task_id) AS write_tasks, array_agg(x.channel) AS write_channels,
        array_agg(x.type) AS write_types, array_agg(x.blob) AS writes
    FROM (
        SELECT task_id, channel, type, blob FROM checkpoint_writes
        WHERE thread_id = c.thread_id AND checkpoint_ns = c.checkpoint_ns AND checkpoint_id = c.checkpoint_id
        ORDER BY task_path COLLATE "C", task_id COLLATE "C", idx
    ) AS x
) AS w
CROSS JOIN LATERAL (
    SELECT array_agg(x.type) AS send_types, array_agg(x.blob) AS sends
    FROM (
        SELECT type, blob FROM checkpoint_writes
        WHERE c.checkpoint -> 'v' < '4'
            AND thread_id = c.thread_id AND checkpoint_ns = c.checkpoint_ns
            AND checkpoint_id = c.parent_checkpoint_id AND channel = '__pregel_tasks'
        ORDER BY task_path COLLATE "C", task_id COLLATE "C", idx
    ) AS x
) AS s

-- name: list_checkpoints
-- $1 tenant; $2 thread or null for all of the tenant's; null for any: $3 namespace, $4 checkpoint id, $5 "older than" id,
-- $6 what the metadata contains, $7 the limit. Newest first.
SELECT
    c.thread_id, c.checkpoint_ns, c.checkpoint_id, c.parent_checkpoint_id,
    c.checkpoint::text AS checkpoint, c.metadata::text AS metadata,
    b.blob_channels, b.blob_types, b.blobs,
    w.write_tasks, w.write_channels, w.write_types, w.writes,
    s.send_types, s.sends
FROM (
    SELECT x.thread_id, x.checkpoint_ns, x.checkpoint_id, x.parent_checkpoint_id, x.checkpoint, x.metadata
    FROM (
        SELECT thread_id, checkpoint_ns, checkpoint_id, parent_checkpoint_id, checkpoint, metadata
        FROM checkpoints
        WHERE $2::text IS NOT NULL AND thread_id = $2
        UNION ALL
        SELECT thread_id, checkpoint_ns, checkpoint_id, parent_checkpoint_id, checkpoint, metadata
        FROM checkpoints
        WHERE $2::text IS NULL
            AND $1 = CASE WHEN position('/' IN thread_id) = 0 THEN 'default' ELSE split_part(thread_id, '/', 1) END
    ) AS x
    WHERE ($3::text IS NULL OR x.checkpoint_ns = $3)
        AND ($4::text IS NULL OR x.checkpoint_id = $4)
        AND ($5::text IS NULL OR x.checkpoint_id < $5)
        AND ($6::text IS NULL OR x.metadata @> $6::jsonb)
    ORDER BY x.checkpoint_id DESC
    LIMIT $7::bigint
) AS c
CROSS JOIN LATERAL (
    SELECT array_agg(v.key) AS blob_channels, array_agg(x.type) AS blob_types, array_agg(x.blob) AS blobs
    FROM jsonb_each_text(json_object_or_null(c.checkpoint -> 'channel_versions')) AS v
    CROSS JOIN LATERAL (
        SELECT type, blob FROM checkpoint_blobs
        WHERE thread_id = c.thread_id AND checkpoint_ns = c.checkpoint_ns AND channel = v.key AND version = v.value
            AND type <> 'empty'
        LIMIT 1
    ) AS x
) AS b
CROSS JOIN LATERAL (
    SELECT array_agg(x.task_id) AS write_tasks, array_agg(x.channel) AS write_channels,
        array_agg(x.type) AS write_types, array_agg(x.blob) AS writes
    FROM (
        SELECT task_id, channel, type, blob FROM checkpoint_writes
        WHERE thread_id = c.thread_id AND checkpoint_ns = c.checkpoint_ns AND checkpoint_id = c.checkpoint_id
        ORDER BY task_path COLLATE "C", task_id COLLATE "C", idx
    ) AS x
) AS w
CROSS JOIN LATERAL (
    SELECT array_agg(x.type) AS send_types, array_agg(x.blob) AS sends
    FROM (
        SELECT type, blob FROM checkpoint_writes
        WHERE c.checkpoint -> 'v' < '4'
            AND thread_id = c.thread_id AND checkpoint_ns = c.checkpoint_ns
            AND checkpoint_id = c.parent_checkpoint_id AND channel = '__pregel_tasks'
        ORDER BY task_path COLLATE "C", task_id COLLATE "C", idx
    ) AS x
) AS s
ORDER BY c.checkpoint_id DESC

-- name: delta_history
-- $1 thread, $2 namespace, $3 checkpoint id or null for the newest, $4 channels. Walks from the checkpoint's parent up, each
-- channel until its nearest stored value: a blob, or a value inside the checkpoint. `wanted` are the channels a step was
-- still looking for, `missing` those it did not store either. Returns the writes oldest first, and each channel's seed.
WITH RECURSIVE target AS (
    (
        SELECT parent_checkpoint_id FROM checkpoints
        WHERE $3::text IS NOT NULL AND thread_id = $1 AND checkpoint_ns = $2 AND checkpoint_id = $3
    )
    UNION ALL
    (
        SELECT parent_checkpoint_id FROM checkpoints
        WHERE $3::text IS NULL AND thread_id = $1 AND checkpoint_ns = $2
        ORDER BY checkpoint_id DESC
        LIMIT 1
    )
), walk (step, checkpoint_id, parent_checkpoint_id, wanted, missing) AS (
    SELECT 0, NULL::text, target.parent_checkpoint_id, '{}'::text[], $4::text[] FROM target
    UNION ALL
    SELECT
        walk.step + 1, c.checkpoint_id, c.parent_checkpoint_id, walk.missing,
        ARRAY(
            SELECT m.channel FROM unnest(walk.missing) AS m (channel)
            WHERE coalesce(jsonb_typeof(c.checkpoint -> 'channel_values' -> m.channel), 'null') = 'null'
                AND NOT EXISTS (
                    SELECT FROM checkpoint_blobs AS b
                    WHERE b.thread_id = $1 AND b.checkpoint_ns = $2 AND b.channel = m.channel
                        AND b.version = c.checkpoint -> 'channel_versions' ->> m.channel AND b.type <> 'empty'
                )
        )
    FROM walk
    JOIN checkpoints AS c
        ON c.thread_id = $1 AND c.checkpoint_ns = $2 AND c.checkpoint_id = walk.parent_checkpoint_id
    WHERE walk.missing <> '{}'
), found AS (
    SELECT
        false AS is_seed, walk.step, w.channel, w.type, w.blob, NULL::text AS inline, w.task_path, w.task_id, w.idx
    FROM walk
    CROSS JOIN LATERAL (
        SELECT channel, type, blob, task_path, task_id, idx FROM checkpoint_writes
        WHERE thread_id = $1 AND checkpoint_ns = $2 AND checkpoint_id = walk.checkpoint_id
            AND channel = ANY (walk.wanted)
    ) AS w
    UNION ALL
    SELECT true, walk.step, s.channel, b.type, b.blob, (c.checkpoint -> 'channel_values' -> s.channel)::text, '', '', 0
    FROM walk
    CROSS JOIN LATERAL (
        SELECT x.channel FROM unnest(walk.wanted) AS x (channel) WHERE x.channel <> ALL (walk.missing)
    ) AS s
    JOIN checkpoints AS c ON c.thread_id = $1 AND c.checkpoint_ns = $2 AND c.checkpoint_id = walk.checkpoint_id
    LEFT JOIN LATERAL (
        SELECT type, blob FROM checkpoint_blobs
        WHERE thread_id = $1 AND checkpoint_ns = $2 AND channel = s.channel
            AND version = c.checkpoint -> 'channel_versions' ->> s.channel AND type <> 'empty'
        LIMIT 1
    ) AS b ON true
)
SELECT is_seed, channel, type, blob, inline, task_id
FROM found
ORDER BY step DESC, task_path COLLATE "C", task_id COLLATE "C", idx
