-- The claim takes turns between tenants, and never reads what it can't take: ready runs lie in lanes, one for each graph and
-- tenant. What lies behind the head of another lane, or in lanes of graphs that a worker does not serve, costs it nothing.
-- The statements that claim are the worker's own (worker/claims.sql); here is what they choose by.

-- The lanes that are not empty, and when the first run of each is due: one look at the index for each, however long it is.
CREATE VIEW ready_lanes AS
WITH RECURSIVE lane AS (
    (
        SELECT r.graph_id, r.tenant, r.due_at FROM runs r
        WHERE r.ready AND r.status = 'pending'
        ORDER BY r.graph_id, r.tenant, r.due_at
        LIMIT 1
    )
    UNION ALL
    SELECT following.graph_id, following.tenant, following.due_at
    FROM lane
    CROSS JOIN LATERAL (
        SELECT r.graph_id, r.tenant, r.due_at FROM runs r
        WHERE r.ready AND r.status = 'pending' AND (r.graph_id, r.tenant) > (lane.graph_id, lane.tenant)
        ORDER BY r.graph_id, r.tenant, r.due_at
        LIMIT 1
    ) AS following
)
SELECT graph_id, tenant, due_at FROM lane;

-- How many of its slots a worker gives to each of several lanes, where not all that waits has room: in turn between tenants,
-- whoever holds least of this worker first, and by lot among equals; of each tenant what is due the longest. Of a lane no more
-- is read than could be taken.
CREATE FUNCTION share_slots(p_worker_id uuid, p_graph_ids text[], p_tenants text[], p_slots integer)
RETURNS TABLE (graph_id text, tenant text, runs bigint)
LANGUAGE sql VOLATILE AS $$
    WITH rival AS MATERIALIZED (
        SELECT t.tenant, COALESCE(h.held, 0) AS held, random() AS lot, count(*) OVER () AS rivals
        FROM (SELECT DISTINCT unnest(p_tenants) AS tenant) AS t
        LEFT JOIN (
            SELECT r.tenant, count(*) AS held FROM runs r
            WHERE r.worker_id = p_worker_id AND r.status = 'running'
            GROUP BY r.tenant
        ) AS h USING (tenant)
    ), turn AS (
        SELECT
            l.graph_id, l.tenant, rival.lot,
            rival.held + row_number() OVER (PARTITION BY l.tenant ORDER BY head.due_at, head.position) AS turn
        FROM unnest(p_graph_ids, p_tenants) AS l (graph_id, tenant)
        JOIN rival USING (tenant)
        CROSS JOIN LATERAL (
            SELECT r.due_at, r.position FROM runs r
            WHERE r.ready AND r.status = 'pending' AND r.graph_id = l.graph_id AND r.tenant = l.tenant AND r.due_at <= now()
            ORDER BY r.due_at, r.position
            LIMIT CASE WHEN rival.rivals < p_slots THEN p_slots ELSE 1 END
        ) AS head
    )
    SELECT chosen.graph_id, chosen.tenant, count(*)
    FROM (SELECT turn.graph_id, turn.tenant FROM turn ORDER BY turn.turn, turn.lot LIMIT p_slots) AS chosen
    GROUP BY chosen.graph_id, chosen.tenant
$$;
