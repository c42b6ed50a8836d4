-- name: lock_assistant
-- $1 tenant, $2 assistant_id
SELECT a.version
FROM assistants AS a
WHERE a.tenant = $1 AND a.assistant_id = $2
FOR UPDATE

-- name: get_latest
-- What a new version may change only in part. The caller holds the assistant's lock.
-- $1 tenant, $2 assistant_id, $3 version
SELECT v.config, v.context
FROM assistant_versions AS v
WHERE v.tenant = $1 AND v.assistant_id = $2 AND v.version = $3

-- name: add_version
-- The caller holds the assistant's lock. What is null stays as it is, but for the context.
-- $1 tenant, $2 assistant_id, $3 the latest version, $4 graph_id, $5 name, $6 description, $7 config, $8 context,
-- $9 metadata to merge
WITH a AS (
    UPDATE assistants AS a
    SET updated_at = now(), version = 1 + (
        SELECT max(n.version) FROM assistant_versions AS n WHERE n.tenant = $1 AND n.assistant_id = $2
    )
    WHERE a.tenant = $1 AND a.assistant_id = $2
    RETURNING a.tenant, a.assistant_id, a.version, a.is_default, a.created_at, a.updated_at
),
v AS (
    INSERT INTO assistant_versions (
        tenant, assistant_id, version, graph_id, name, description, config, context, metadata
    )
    SELECT
        a.tenant, a.assistant_id, a.version,
        COALESCE($4, o.graph_id), COALESCE($5, o.name), COALESCE($6, o.description), $7, $8,
        o.metadata || COALESCE($9::jsonb, '{{}}')
    FROM a
    JOIN assistant_versions AS o ON o.tenant = a.tenant AND o.assistant_id = a.assistant_id AND o.version = $3
    RETURNING graph_id, name, description, config, context, metadata
)
SELECT {columns}
FROM a, v

-- name: set_latest
-- No row: there is no such assistant, or no such version of it.
-- $1 tenant, $2 assistant_id, $3 version
WITH v AS (
    SELECT tenant, assistant_id, version, graph_id, name, description, config, context, metadata
    FROM assistant_versions
    WHERE tenant = $1 AND assistant_id = $2 AND version = $3
),
a AS (
    UPDATE assistants AS a
    SET version = v.version, updated_at = now()
    FROM v
    WHERE a.tenant = v.tenant AND a.assistant_id = v.assistant_id
    RETURNING a.assistant_id, a.version, a.is_default, a.created_at, a.updated_at
)
SELECT {columns}
FROM a, v

-- name: exists
-- $1 tenant, $2 assistant_id
SELECT EXISTS (SELECT FROM assistants AS a WHERE a.tenant = $1 AND a.assistant_id = $2)

-- name: list_versions
-- The page's parameters come behind those of the conditions.
SELECT
    v.assistant_id, v.version, v.graph_id, v.name, v.description, v.config, v.context, v.metadata, v.created_at
FROM assistant_versions AS v
WHERE {{conditions}}
ORDER BY {{order}}
LIMIT {{limit}}

-- name: of_assistant
-- $1 tenant, $2 assistant_id
v.tenant = $1 AND v.assistant_id = $2

-- name: with_metadata
v.metadata @> $1::jsonb
