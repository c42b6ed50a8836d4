-- The long-term memory of graphs. What stands in braces is in runwire.core.store_items.

-- name: get_items
-- $1 tenant; per item asked for: $2 prefixes, $3 keys, $4 whether reading renews its time to live. `position` counts from 1.
WITH asked AS MATERIALIZED (
    SELECT a.prefix, a.key, a.renew, a.position
    FROM unnest($2::text[], $3::text[], $4::bool[]) WITH ORDINALITY AS a (prefix, key, renew, position)
), renewed AS (
    UPDATE store AS s
    SET expires_at = now() + make_interval(secs => s.ttl_minutes * 60)
    FROM asked AS a
    WHERE a.renew AND s.tenant = $1 AND s.prefix = a.prefix AND s.key = a.key
        AND s.ttl_minutes IS NOT NULL AND s.expires_at > now()
)
SELECT a.position, s.prefix, s.key, s.value::text AS value, s.created_at, s.updated_at
FROM asked AS a
JOIN store AS s ON s.tenant = $1 AND s.prefix = a.prefix AND s.key = a.key
WHERE {alive}

-- name: search_items
-- $1 tenant, $2 prefix or null for all; conditions: $3 keys of the value, $4 operators, $5 JSON operands; $6 limit, $7 offset,
-- $8 whether reading renews the items' time to live.
WITH found AS MATERIALIZED (
    SELECT s.prefix, s.key, s.value, s.created_at, s.updated_at
    FROM store AS s
    WHERE {found}
    ORDER BY s.updated_at DESC, s.prefix, s.key
    LIMIT $6::bigint OFFSET $7::bigint
), renewed AS (
    UPDATE store AS s
    SET expires_at = now() + make_interval(secs => s.ttl_minutes * 60)
    FROM found AS f
    WHERE $8::bool AND s.tenant = $1 AND s.prefix = f.prefix AND s.key = f.key AND s.ttl_minutes IS NOT NULL
)
SELECT prefix, key, value::text AS value, created_at, updated_at
FROM found
ORDER BY updated_at DESC, prefix, key

-- name: write_items
-- $1 tenant; to store: $2 prefixes, $3 keys, $4 JSON values, $5 minutes to live or null; to remove: $6 prefixes, $7 keys.
-- No item is in both lists.
WITH removed AS (
    DELETE FROM store AS s
    USING unnest($6::text[], $7::text[]) AS d (prefix, key)
    WHERE s.tenant = $1 AND s.prefix = d.prefix AND s.key = d.key
)
INSERT INTO store (tenant, prefix, key, value, created_at, updated_at, expires_at, ttl_minutes)
SELECT $1, p.prefix, p.key, p.value::jsonb, now(), now(), now() + make_interval(secs => p.minutes * 60), p.minutes
FROM unnest($2::text[], $3::text[], $4::text[], $5::float8[]) AS p (prefix, key, value, minutes)
ON CONFLICT (tenant, prefix, key) DO UPDATE
SET value = EXCLUDED.value, updated_at = now(), expires_at = EXCLUDED.expires_at, ttl_minutes = EXCLUDED.ttl_minutes

-- name: list_namespaces
-- $1 tenant, $2 regular expressions that all have to match, $3 labels to keep or null for all, $4 limit, $5 offset.
SELECT n.namespace
FROM (
    {namespaces}
) AS n
ORDER BY n.namespace COLLATE "C"
LIMIT $4::bigint OFFSET $5::bigint
