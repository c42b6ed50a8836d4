-- Threads: a conversation's row, with the state that its last run left. The state's history is in the tables of checkpoints.

CREATE TABLE threads (
    tenant text NOT NULL DEFAULT 'default',
    thread_id text NOT NULL,
    -- How the last run left the thread. "busy" is not stored: it means that an active run exists.
    status text NOT NULL DEFAULT 'idle' CHECK (status IN ('idle', 'interrupted', 'error')),
    metadata jsonb NOT NULL DEFAULT '{}',
    graph_id text,
    assistant_id text,
    -- the state's values and the interrupts at the last run's end
    values jsonb,
    interrupts jsonb NOT NULL DEFAULT '[]',
    error_type text,
    error_message text,
    ttl_strategy text CHECK (ttl_strategy IN ('delete', 'keep_latest')),
    ttl interval,
    request_digest bytea,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    state_updated_at timestamptz,
    -- When the thread was last pruned because its time was over; the time then counts anew, and the thread has not changed.
    swept_at timestamptz,
    -- Reckoned in UTC, so that it does not depend on a session. It moves with every change of the thread, whoever makes it.
    expires_at timestamptz GENERATED ALWAYS AS (
        timezone('UTC', timezone('UTC', GREATEST(updated_at, swept_at)) + ttl)
    ) STORED,
    PRIMARY KEY (tenant, thread_id),
    CHECK ((status = 'error') = (error_type IS NOT NULL)),
    CHECK ((ttl IS NULL) = (ttl_strategy IS NULL))
);

CREATE INDEX threads_by_creation ON threads (tenant, created_at, thread_id);
CREATE INDEX threads_by_update ON threads (tenant, updated_at, thread_id);
CREATE INDEX threads_by_expiry ON threads (expires_at) WHERE expires_at IS NOT NULL;
CREATE INDEX threads_metadata ON threads USING gin (metadata jsonb_path_ops);
-- Deleting an assistant or listing its runs does not read those of others.
CREATE INDEX threads_of_assistant ON threads (tenant, assistant_id) WHERE assistant_id IS NOT NULL;
