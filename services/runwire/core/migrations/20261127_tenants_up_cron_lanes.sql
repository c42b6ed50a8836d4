-- Crons that are due are ticked in turn between tenants, of each the longest due first.

DROP INDEX crons_due;
CREATE INDEX crons_due ON crons (tenant, next_tick_at, cron_id) WHERE next_tick_at IS NOT NULL;

-- The tenants with crons that are to tick, and when the first of each does: one look at the index for each.
CREATE VIEW cron_lanes AS
WITH RECURSIVE lane AS (
    (
        SELECT c.tenant, c.next_tick_at FROM crons c
        WHERE c.next_tick_at IS NOT NULL
        ORDER BY c.tenant, c.next_tick_at
        LIMIT 1
    )
    UNION ALL
    SELECT following.tenant, following.next_tick_at
    FROM lane
    CROSS JOIN LATERAL (
        SELECT c.tenant, c.next_tick_at FROM crons c
        WHERE c.next_tick_at IS NOT NULL AND c.tenant > lane.tenant
        ORDER BY c.tenant, c.next_tick_at
        LIMIT 1
    ) AS following
)
SELECT tenant, next_tick_at FROM lane;
