-- name: columns
-- Of `assistants AS a` and its latest version, `assistant_versions AS v`.
a.assistant_id, a.version, a.is_default, a.created_at, a.updated_at,
v.graph_id, v.name, v.description, v.config, v.context, v.metadata

-- name: create_assistant
-- No row: the id is taken, or nobody has published the graph.
-- $1 tenant, $2 assistant_id, $3 the request's digest,
-- $4 graph_id, $5 name, $6 description, $7 config, $8 context, $9 metadata
WITH a AS (
    INSERT INTO assistants (tenant, assistant_id, version, request_digest)
    SELECT $1, $2, 1, $3
    FROM graphs AS g
    WHERE g.graph_id = $4
    ON CONFLICT (tenant, assistant_id) DO NOTHING
    RETURNING tenant, assistant_id, version, is_default, created_at, updated_at
),
v AS (
    INSERT INTO assistant_versions (
        tenant, assistant_id, version, graph_id, name, description, config, context, metadata
    )
    SELECT a.tenant, a.assistant_id, a.version, $4, $5, $6, $7, $8, $9
    FROM a
    RETURNING graph_id, name, description, config, context, metadata
)
SELECT {columns}
FROM a, v

-- name: get_created
-- An assistant that a request to create it has met.
-- $1 tenant, $2 assistant_id, $3 the request's digest
SELECT a.request_digest IS NOT DISTINCT FROM $3 AS same_request, {columns}
FROM assistants AS a
JOIN assistant_versions AS v USING (tenant, assistant_id, version)
WHERE a.tenant = $1 AND a.assistant_id = $2

-- name: get_assistant
-- By its own id before a graph's.
-- $1 tenant, $2 the name that was given, $3 the id of the default assistant of a graph of that name
SELECT {columns}
FROM assistants AS a
JOIN assistant_versions AS v USING (tenant, assistant_id, version)
WHERE a.tenant = $1 AND a.assistant_id IN ($2, $3)
ORDER BY a.assistant_id = $2 DESC
LIMIT 1

-- name: list_assistants
-- The page's parameters come behind those of the conditions.
SELECT {columns}
FROM assistants AS a
JOIN assistant_versions AS v USING (tenant, assistant_id, version)
WHERE {{conditions}}
ORDER BY {{order}}
LIMIT {{limit}}

-- name: count_assistants
SELECT count(*)
FROM assistants AS a
JOIN assistant_versions AS v USING (tenant, assistant_id, version)
WHERE {{conditions}}

-- name: of_tenant
a.tenant = $1

-- name: of_graph
v.graph_id = $1

-- name: with_name
strpos(lower(v.name), lower($1)) > 0

-- name: with_metadata
v.metadata @> $1::jsonb

-- name: lock_assistant
-- $1 tenant, $2 assistant_id
SELECT a.is_default
FROM assistants AS a
WHERE a.tenant = $1 AND a.assistant_id = $2
FOR UPDATE

-- name: cancel_runs
-- Threads in one order, so that two callers can't wait for one another; the last run of a thread first, so that none is
-- made ready to be cancelled next.
-- $1 tenant, $2 assistant_id
SELECT
    c.outcome, c.promoted_graph_id, (c.run).run_id AS run_id, (c.run).thread_id AS thread_id,
    (c.run).worker_id AS worker_id, (c.run).cancel_action AS cancel_action
FROM (
    SELECT r.run_id, r.thread_id, r.due_at, r.position
    FROM runs AS r
    WHERE r.tenant = $1 AND r.assistant_id = $2 AND r.status IN ('pending', 'running')
    ORDER BY r.thread_id COLLATE "C", r.due_at DESC, r.position DESC
) AS active
CROSS JOIN LATERAL cancel_run($1, active.run_id, 'interrupt') AS c

-- name: delete_assistant
-- With its versions.
-- $1 tenant, $2 assistant_id
DELETE FROM assistants AS a
WHERE a.tenant = $1 AND a.assistant_id = $2
