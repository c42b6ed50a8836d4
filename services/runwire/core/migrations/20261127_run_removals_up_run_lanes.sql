-- The claim takes turns between tenants, and never reads what it can't take: ready runs lie in lanes, one for each graph and
-- tenant. What lies behind the head of another lane, or in lanes of graphs that a worker does not serve, costs it nothing; nor do,
-- unless much is due, lanes whose first run is delayed. A tenant a user, and a reminder for each, makes tens of thousands of those.
-- The statements that claim are the worker's own (worker/claims.sql); here is what they choose by.

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

-- How many of its slots a worker gives to each of several lanes, where not all that waits has room: in turn between tenants,
-- whoever holds least of this worker first, and by lot among equals; of each tenant what is due the longest. Of a lane no more
-- is read than could be taken: where there are rivals for every slot, none goes beyond the turn of the last of them.
CREATE FUNCTION share_slots(p_worker_id uuid, p_graph_ids text[], p_tenants text[], p_slots integer)
RETURNS TABLE (graph_id text, tenant text, runs bigint)
LANGUAGE sql VOLATILE AS $$
    WITH rival AS MATERIALIZED (
        SELECT
            t.tenant, COALESCE(h.held, 0) AS held, random() AS lot,
            nth_value(COALESCE(h.held, 0), p_slots) OVER (
                ORDER BY COALESCE(h.held, 0) ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
            ) + 1 AS last_turn
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
            LIMIT GREATEST(0, LEAST(p_slots, rival.last_turn - rival.held))
        ) AS head
    )
    SELECT chosen.graph_id, chosen.tenant, count(*)
    FROM (SELECT turn.graph_id, turn.tenant FROM turn ORDER BY turn.turn, turn.lot LIMIT p_slots) AS chosen
    GROUP BY chosen.graph_id, chosen.tenant
$$;
