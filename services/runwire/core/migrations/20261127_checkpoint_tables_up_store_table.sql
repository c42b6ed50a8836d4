-- The store table of langgraph-checkpoint-postgres 3.2 with a tenant in front of its key. Its data carries over; from then on
-- only Runwire writes it, since the wider key is not the one that package names in its statements.

CREATE TABLE IF NOT EXISTS store_migrations (
    v integer PRIMARY KEY
);

CREATE TABLE IF NOT EXISTS store (
    tenant text NOT NULL DEFAULT 'default',
    prefix text NOT NULL,
    key text NOT NULL,
    value jsonb NOT NULL,
    created_at timestamptz DEFAULT CURRENT_TIMESTAMP,
    updated_at timestamptz DEFAULT CURRENT_TIMESTAMP,
    expires_at timestamptz,
    ttl_minutes double precision
);

ALTER TABLE store ADD COLUMN IF NOT EXISTS tenant text NOT NULL DEFAULT 'default';
ALTER TABLE store ADD COLUMN IF NOT EXISTS expires_at timestamptz;
ALTER TABLE store ADD COLUMN IF NOT EXISTS ttl_minutes double precision;
-- A time to live may be a fraction of a minute; the package's column held whole ones.
ALTER TABLE store ALTER COLUMN ttl_minutes TYPE double precision;

-- Vectors point at the old key. They stay, unread, and no longer hold it in place.
ALTER TABLE IF EXISTS store_vectors DROP CONSTRAINT IF EXISTS store_vectors_prefix_key_fkey;
ALTER TABLE store DROP CONSTRAINT IF EXISTS store_pkey;
ALTER TABLE store ADD CONSTRAINT store_pkey PRIMARY KEY (tenant, prefix, key);

-- text_pattern_ops orders bytewise, which makes "everything below a namespace" one range whatever the collation.
CREATE INDEX IF NOT EXISTS store_tenant_prefix_idx ON store (tenant, prefix text_pattern_ops);
DROP INDEX IF EXISTS store_prefix_idx;
CREATE INDEX IF NOT EXISTS idx_store_expires_at ON store (expires_at) WHERE expires_at IS NOT NULL;

INSERT INTO store_migrations (v)
SELECT v FROM generate_series(0, 3) AS v
ON CONFLICT (v) DO NOTHING;
