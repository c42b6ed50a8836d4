-- What stands in double braces is filled in by runwire.core.store_items or by runwire.resource.listing.

-- name: columns
-- Of `store AS s`.
s.prefix, s.key, s.value, s.created_at, s.updated_at, s.expires_at

-- name: put_item
-- $1 tenant, $2 prefix, $3 key, $4 value, $5 minutes to live or null
INSERT INTO store AS s (tenant, prefix, key, value, created_at, updated_at, expires_at, ttl_minutes)
VALUES ($1, $2, $3, $4, now(), now(), now() + make_interval(secs => $5::float8 * 60), $5)
ON CONFLICT (tenant, prefix, key) DO UPDATE
SET value = EXCLUDED.value, updated_at = now(), expires_at = EXCLUDED.expires_at, ttl_minutes = EXCLUDED.ttl_minutes
RETURNING {columns}

-- name: get_item
-- $1 tenant, $2 prefix, $3 key, $4 whether reading renews its time to live
WITH renewed AS (
    UPDATE store AS s
    SET expires_at = now() + make_interval(secs => s.ttl_minutes * 60)
    WHERE $4::boolean AND s.tenant = $1 AND s.prefix = $2 AND s.key = $3
        AND s.ttl_minutes IS NOT NULL AND s.expires_at > now()
    RETURNING s.expires_at
)
SELECT s.prefix, s.key, s.value, s.created_at, s.updated_at, COALESCE(r.expires_at, s.expires_at) AS expires_at
FROM store AS s
LEFT JOIN renewed AS r ON true
WHERE s.tenant = $1 AND s.prefix = $2 AND s.key = $3 AND ({alive})

-- name: delete_item
-- $1 tenant, $2 prefix, $3 key
DELETE FROM store AS s
WHERE s.tenant = $1 AND s.prefix = $2 AND s.key = $3

-- name: search_items
-- The page's parameters come behind those of the conditions.
SELECT {columns}
FROM store AS s
WHERE {{conditions}}
ORDER BY {{order}}
LIMIT {{limit}}

-- name: renew_items
-- Passes over items that somebody else writes or renews at this moment, so that no two callers wait for one another.
-- $1 tenant, $2 prefixes, $3 keys
WITH read AS MATERIALIZED (
    SELECT s.prefix, s.key
    FROM unnest($2::text[], $3::text[]) AS f (prefix, key)
    JOIN store AS s ON s.tenant = $1 AND s.prefix = f.prefix AND s.key = f.key
    WHERE s.ttl_minutes IS NOT NULL AND s.expires_at > now()
    FOR UPDATE OF s SKIP LOCKED
)
UPDATE store AS s
SET expires_at = now() + make_interval(secs => s.ttl_minutes * 60)
FROM read
WHERE s.tenant = $1 AND s.prefix = read.prefix AND s.key = read.key
RETURNING s.prefix, s.key, s.expires_at

-- name: list_namespaces
-- $1 tenant, $2 regular expressions that all have to match, $3 labels to keep or null for all; then those of the page.
SELECT n.namespace
FROM (
    {namespaces}
) AS n
WHERE {{conditions}}
ORDER BY {{order}}
LIMIT {{limit}}
