-- name: find
-- The latest version of an assistant, by its own id before a graph's.
-- $1 tenant, $2 the name that was given, $3 the id of the default assistant of a graph of that name
SELECT a.assistant_id, a.version, a.created_at, v.graph_id, v.config, v.context, v.metadata
FROM assistants a
JOIN assistant_versions v ON (v.tenant, v.assistant_id, v.version) = (a.tenant, a.assistant_id, a.version)
WHERE a.tenant = $1 AND a.assistant_id IN ($2, $3)
ORDER BY a.assistant_id = $2 DESC
LIMIT 1
