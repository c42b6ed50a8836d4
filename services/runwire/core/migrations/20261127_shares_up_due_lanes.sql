-- What a claim reads follows from what is due: not from the lanes of graphs that its worker does not serve, nor, unless much is
-- due, from those whose first run is delayed. A tenant a user, and a reminder for each, makes tens of thousands of those.

CREATE INDEX runs_due ON runs (graph_id, due_at, tenant) WHERE ready AND status = 'pending';

-- The lanes of some graphs with a run that is due. Where little is due, what is due names them; else they are looked at one by one:
-- one look at the index for each, however long it is.
CREATE FUNCTION due_lanes(p_graph_ids text[]) RETURNS TABLE (graph_id text, tenant text)
LANGUAGE sql STABLE AS $$
    WITH RECURSIVE due AS MATERIALIZED (
        SELECT head.graph_id, head.tenant
        FROM unnest(p_graph_ids) AS g (graph_id)
        CROSS JOIN LATERAL (
            SELECT r.graph_id, r.tenant FROM runs r
            WHERE r.ready AND r.status = 'pending' AND r.graph_id = g.graph_id AND r.due_at <= now()
            ORDER BY r.due_at
            LIMIT 100
        ) AS head
        LIMIT 100
    ), much AS MATERIALIZED (
        SELECT count(*) = 100 AS is_due FROM due
    ), lane AS (
        SELECT head.graph_id, head.tenant, head.due_at
        FROM (SELECT DISTINCT unnest(p_graph_ids) AS graph_id) AS g
        CROSS JOIN LATERAL (
            SELECT r.graph_id, r.tenant, r.due_at FROM runs r
            WHERE r.ready AND r.status = 'pending' AND r.graph_id = g.graph_id
            ORDER BY r.tenant, r.due_at
            LIMIT 1
        ) AS head
        WHERE (SELECT is_due FROM much)
        UNION ALL
        SELECT following.graph_id, following.tenant, following.due_at
        FROM lane
        CROSS JOIN LATERAL (
            SELECT r.graph_id, r.tenant, r.due_at FROM runs r
            WHERE r.ready AND r.status = 'pending' AND r.graph_id = lane.graph_id AND r.tenant > lane.tenant
            ORDER BY r.tenant, r.due_at
            LIMIT 1
        ) AS following
    )
    SELECT DISTINCT d.graph_id, d.tenant FROM due d WHERE NOT (SELECT is_due FROM much)
    UNION ALL
    SELECT l.graph_id, l.tenant FROM lane l WHERE l.due_at <= now()
$$;

-- The graphs with runs that are ready, and when the first of each is due: one look at the index for each.
CREATE VIEW ready_graphs AS
WITH RECURSIVE graph AS (
    (
        SELECT r.graph_id, r.due_at FROM runs r
        WHERE r.ready AND r.status = 'pending'
        ORDER BY r.graph_id, r.due_at
        LIMIT 1
    )
    UNION ALL
    SELECT following.graph_id, following.due_at
    FROM graph
    CROSS JOIN LATERAL (
        SELECT r.graph_id, r.due_at FROM runs r
        WHERE r.ready AND r.status = 'pending' AND r.graph_id > graph.graph_id
        ORDER BY r.graph_id, r.due_at
        LIMIT 1
    ) AS following
)
SELECT graph_id, due_at FROM graph;

DROP VIEW ready_lanes;
