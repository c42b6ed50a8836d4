-- Slots are shared by what tenants hold, also where there are as many tenants as slots.

-- How many of its slots a worker gives to each of several lanes, where not all that waits has room: in turn between tenants,
-- whoever holds least of this worker first, and by lot among equals; of each tenant what is due the longest. Of a lane no more
-- is read than could be taken: where there are rivals for every slot, none goes beyond the turn of the last of them.
CREATE OR REPLACE FUNCTION share_slots(p_worker_id uuid, p_graph_ids text[], p_tenants text[], p_slots integer)
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
