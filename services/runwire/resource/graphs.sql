-- name: is_published
-- $1 graph_id
SELECT EXISTS (SELECT FROM graphs AS g WHERE g.graph_id = $1)

-- name: get_drawing
-- The drawing at a depth, or the deepest one above it. Edges and nodes in the order they were published in.
-- $1 tenant, $2 the name that was given, $3 the id of the default assistant of a graph of that name, $4 depth
SELECT
    v.graph_id,
    g.graph_id IS NOT NULL AS is_published,
    ARRAY(
        SELECT (n.value ->> 'id', n.value ->> 'type', (n.value -> 'data')::text)
        FROM jsonb_array_elements(d.drawing -> 'nodes') WITH ORDINALITY AS n (value, number)
        ORDER BY n.number
    ) AS nodes,
    ARRAY(
        SELECT (
            e.value ->> 'source', e.value ->> 'target', (e.value ->> 'conditional')::boolean, e.value ->> 'data'
        )
        FROM jsonb_array_elements(d.drawing -> 'edges') WITH ORDINALITY AS e (value, number)
        ORDER BY e.number
    ) AS edges
FROM assistants AS a
JOIN assistant_versions AS v USING (tenant, assistant_id, version)
LEFT JOIN graphs AS g USING (graph_id)
LEFT JOIN LATERAL (
    SELECT published.value AS drawing
    FROM jsonb_each(g.drawings) AS published
    WHERE published.key::integer <= $4
    ORDER BY published.key::integer DESC
    LIMIT 1
) AS d ON true
WHERE a.tenant = $1 AND a.assistant_id IN ($2, $3)
ORDER BY a.assistant_id = $2 DESC
LIMIT 1

-- name: get_schemas
-- $1 tenant, $2 the name that was given, $3 the id of the default assistant of a graph of that name
SELECT
    v.graph_id,
    g.graph_id IS NOT NULL AS is_published,
    NULLIF(g.schemas -> 'input', 'null')::text AS input,
    NULLIF(g.schemas -> 'output', 'null')::text AS output,
    NULLIF(g.schemas -> 'state', 'null')::text AS state,
    NULLIF(g.schemas -> 'config', 'null')::text AS config,
    NULLIF(g.schemas -> 'context', 'null')::text AS context
FROM assistants AS a
JOIN assistant_versions AS v USING (tenant, assistant_id, version)
LEFT JOIN graphs AS g USING (graph_id)
WHERE a.tenant = $1 AND a.assistant_id IN ($2, $3)
ORDER BY a.assistant_id = $2 DESC
LIMIT 1

-- name: get_graph_id
-- $1 tenant, $2 the name that was given, $3 the id of the default assistant of a graph of that name
SELECT v.graph_id, g.graph_id IS NOT NULL AS is_published
FROM assistants AS a
JOIN assistant_versions AS v USING (tenant, assistant_id, version)
LEFT JOIN graphs AS g USING (graph_id)
WHERE a.tenant = $1 AND a.assistant_id IN ($2, $3)
ORDER BY a.assistant_id = $2 DESC
LIMIT 1

-- name: list_subgraphs
-- The page's parameters come behind those of the conditions.
SELECT
    s.namespace,
    NULLIF(s.schemas -> 'input', 'null')::text AS input,
    NULLIF(s.schemas -> 'output', 'null')::text AS output,
    NULLIF(s.schemas -> 'state', 'null')::text AS state,
    NULLIF(s.schemas -> 'config', 'null')::text AS config,
    NULLIF(s.schemas -> 'context', 'null')::text AS context
FROM (
    SELECT g.graph_id, p.key COLLATE "C" AS namespace, p.value AS schemas
    FROM graphs AS g
    CROSS JOIN LATERAL jsonb_each(g.subgraphs) AS p
) AS s
WHERE {conditions}
ORDER BY {order}
LIMIT {limit}

-- name: of_graph
s.graph_id = $1

-- name: at
s.namespace = $1

-- name: at_or_below
s.namespace = $1 OR starts_with(s.namespace, $1 || '|')

-- name: at_the_top
strpos(s.namespace, '|') = 0
