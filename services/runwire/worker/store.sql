-- The long-term memory of graphs. What stands in braces is in runwire.core.store_items. A read renews no item that somebody
-- else writes or renews at this moment, so that no two callers wait for one another.

-- name: get_items
-- $1 tenant; per item asked for: $2 prefixes, $3 keys, $4 whether reading renews its time to live. `position` counts from 1.
WITH asked AS MATERIALIZED (
    SELECT a.prefix, a.key, a.renew, a.position
    FROM unnest($2::text[], $3::text[], $4::bool[]) WITH ORDINALITY AS a (prefix, key, renew, position)
), free AS MATERIALIZED (
    SELECT s.prefix, s.key
    FROM asked AS a
    JOIN store AS s ON s.tenant = $1 AND s.prefix = a.prefix AND s.key = a.key
    WHERE a.renew AND s.ttl_minutes IS NOT NULL AND s.expires_at > now()
    FOR UPDATE OF s SKIP LOCKED
), renewed AS (
    UPDATE store AS s
    SET expires_at = now() + make_interval(secs => s.ttl_minutes * 60)
    FROM free AS f
    WHERE s.tenant = $1 AND s.prefix = f.prefix AND s.key = f.key
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
), free AS MATERIALIZED (
    SELECT s.prefix, s.key
    FROM found AS f
    JOIN store AS s ON s.tenant = $1 AND s.prefix = f.prefix AND s.key = f.key
    WHERE $8::bool AND s.ttl_minutes IS NOT NULL AND s.expires_at > now()
    FOR UPDATE OF s SKIP LOCKED
), renewed AS (
    UPDATE store AS s
    SET expires_at = now() + make_interval(secs => s.ttl_minutes * 60)
    FROM free AS f
    WHERE s.tenant = $1 AND s.prefix = f.prefix AND s.key = f.key
)
SELECT prefix, key, value::text AS value, created_at, updated_at
FROM found
ORDER BY updated_at DESC, prefix, key

-- name: write_items
-- $1 tenant; to store: $2 prefixes, $3 keys, $4 JSON values, $5 minutes to live or null; to remove: $6 prefixes, $7 keys.
-- No item is in both lists. Those that are there are locked first, in one order for both lists.
WITH held AS MATERIALIZED (
    SELECT s.prefix, s.key
    FROM unnest($2::text[] || $6::text[], $3::text[] || $7::text[]) AS w (prefix, key)
    JOIN store AS s ON s.tenant = $1 AND s.prefix = w.prefix AND s.key = w.key
    ORDER BY s.prefix COLLATE "C", s.key COLLATE "C"
    FOR UPDATE OF s
), removed AS (
    DELETE FROM store AS s
    USING held AS h JOIN unnest($6::text[], $7::text[]) AS d (prefix, key) USING (prefix, key)
    WHERE s.tenant = $1 AND s.prefix = h.prefix AND s.key = h.key
)
INSERT INTO store (tenant, prefix, key, value, created_at, updated_at, expires_at, ttl_minutes)
SELECT $1, p.prefix, p.key, p.value::jsonb, now(), now(), now() + make_interval(secs => p.minutes * 60), p.minutes
FROM (SELECT count(*) FROM held) AS locked
CROSS JOIN unnest($2::text[], $3::text[], $4::text[], $5::float8[]) AS p (prefix, key, value, minutes)
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
