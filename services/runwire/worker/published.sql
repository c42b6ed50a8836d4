-- name: publish_graph
-- $1 graph, $2 drawings, $3 schemas, $4 subgraphs (JSON)
INSERT INTO graphs (graph_id, drawings, schemas, subgraphs)
VALUES ($1, $2, $3, $4)
ON CONFLICT (graph_id) DO UPDATE
SET drawings = EXCLUDED.drawings, schemas = EXCLUDED.schemas, subgraphs = EXCLUDED.subgraphs, updated_at = now()
WHERE (graphs.drawings, graphs.schemas, graphs.subgraphs)
    IS DISTINCT FROM (EXCLUDED.drawings, EXCLUDED.schemas, EXCLUDED.subgraphs)

-- name: register_default_assistant
-- The assistant that stands for a graph as it is. Workers that start at once register one.
-- $1 tenant, $2 assistant, $3 graph
WITH registered AS (
    INSERT INTO assistants (tenant, assistant_id, version, is_default)
    VALUES ($1, $2, 1, true)
    ON CONFLICT DO NOTHING
    RETURNING tenant, assistant_id, version
)
INSERT INTO assistant_versions (tenant, assistant_id, version, graph_id, name)
SELECT tenant, assistant_id, version, $3, $3 FROM registered

-- name: register_with_all_tenants
SELECT register_default_assistants()
