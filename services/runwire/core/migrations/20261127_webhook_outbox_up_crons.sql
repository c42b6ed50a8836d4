-- Runs that are created by the clock. Crons that are due are ticked in turn between tenants, of each the longest due first.

CREATE TABLE crons (
    tenant text NOT NULL DEFAULT 'default',
    cron_id text NOT NULL,
    -- The one that the request named when it was stored; each tick reads the name anew, and runs the latest version.
    assistant_id text NOT NULL,
    thread_id text,
    schedule text NOT NULL,
    time_zone text NOT NULL,
    -- The serialized runwire.api.dispatch.v1.CreateRunRequest of each tick, as it came.
    request bytea NOT NULL,
    -- Of the CreateCronRequest: tells a repeated call from another one with the same id.
    request_digest bytea NOT NULL,
    metadata jsonb NOT NULL DEFAULT '{}',
    enabled boolean NOT NULL DEFAULT true,
    -- No tick after this time.
    end_at timestamptz,
    next_tick_at timestamptz,
    missed_ticks bigint NOT NULL DEFAULT 0 CHECK (missed_ticks >= 0),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant, cron_id),
    FOREIGN KEY (tenant, assistant_id) REFERENCES assistants ON DELETE CASCADE,
    FOREIGN KEY (tenant, thread_id) REFERENCES threads ON DELETE CASCADE,
    CHECK (enabled OR next_tick_at IS NULL),
    CHECK (next_tick_at <= end_at)
);

CREATE INDEX crons_due ON crons (tenant, next_tick_at, cron_id) WHERE next_tick_at IS NOT NULL;
CREATE INDEX crons_by_creation ON crons (tenant, created_at, cron_id);
-- What goes with an assistant or a thread is found without reading the rest.
CREATE INDEX crons_of_assistant ON crons (tenant, assistant_id);
CREATE INDEX crons_of_thread ON crons (tenant, thread_id) WHERE thread_id IS NOT NULL;

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
