-- What Resource needs beyond the first tables: when threads expire.

-- When the thread was last pruned because its time was over; the time then counts anew, and the thread has not changed.
ALTER TABLE threads ADD COLUMN swept_at timestamptz;

-- Reckoned in UTC, so that it does not depend on a session. It moves with every change of the thread, whoever makes it.
ALTER TABLE threads ADD COLUMN expires_at timestamptz GENERATED ALWAYS AS (
    timezone('UTC', timezone('UTC', GREATEST(updated_at, swept_at)) + ttl)
) STORED;

CREATE INDEX threads_by_expiry ON threads (expires_at) WHERE expires_at IS NOT NULL;

-- Deleting an assistant or listing its runs does not read those of others.
CREATE INDEX threads_of_assistant ON threads (tenant, assistant_id) WHERE assistant_id IS NOT NULL;
