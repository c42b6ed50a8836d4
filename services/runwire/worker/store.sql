-- The long-term memory of graphs. A namespace is stored as its labels joined with dots, which no label contains. An item
-- past its time is not read, whether it has been swept or not.

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
WHERE s.expires_at IS NULL OR s.expires_at > now()

-- name: search_items
-- $1 tenant, $2 prefix or null for all; conditions: $3 keys of the value, $4 operators, $5 JSON operands; $6 limit, $7 offset,
-- $8 whether reading renews the items' time to live. What lies below "a.b" is exactly what sorts bytewise between "a.b." and
-- "a.b/". Sizes compare within one JSON type: numbers as numbers, texts as texts.
WITH found AS MATERIALIZED (
    SELECT s.prefix, s.key, s.value, s.created_at, s.updated_at
    FROM store AS s
    WHERE s.tenant = $1
        AND ($2::text IS NULL OR s.prefix = $2 OR (s.prefix ~>=~ ($2 || '.') AND s.prefix ~<~ ($2 || '/')))
        AND (s.expires_at IS NULL OR s.expires_at > now())
        AND NOT EXISTS (
            SELECT FROM (
                SELECT s.value -> f.key AS have, f.operator, f.operand::jsonb AS want
                FROM unnest($3::text[], $4::text[], $5::text[]) AS f (key, operator, operand)
            ) AS x
            WHERE (
                CASE x.operator
                    WHEN '$eq' THEN x.have = x.want
                    WHEN '$ne' THEN x.have IS DISTINCT FROM x.want
                    WHEN '$contains' THEN x.have @> x.want
                    WHEN '$gt' THEN jsonb_typeof(x.have) = jsonb_typeof(x.want) AND x.have > x.want
                    WHEN '$gte' THEN jsonb_typeof(x.have) = jsonb_typeof(x.want) AND x.have >= x.want
                    WHEN '$lt' THEN jsonb_typeof(x.have) = jsonb_typeof(x.want) AND x.have < x.want
                    WHEN '$lte' THEN jsonb_typeof(x.have) = jsonb_typeof(x.want) AND x.have <= x.want
                END
            ) IS NOT TRUE
        )
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
    SELECT DISTINCT (string_to_array(prefix, '.'))[1:coalesce($3::int, 2147483647)] AS namespace
    FROM store
    WHERE tenant = $1 AND prefix ~ ALL ($2::text[]) AND (expires_at IS NULL OR expires_at > now())
) AS n
ORDER BY n.namespace COLLATE "C"
LIMIT $4::bigint OFFSET $5::bigint

-- name: sweep_expired
-- $1 the most to remove, of every tenant. Returns how many there were.
WITH removed AS (
    DELETE FROM store AS s
    USING (
        SELECT tenant, prefix, key FROM store
        WHERE expires_at <= now()
        ORDER BY expires_at
        LIMIT $1::bigint
        FOR UPDATE SKIP LOCKED
    ) AS e
    WHERE s.tenant = e.tenant AND s.prefix = e.prefix AND s.key = e.key
    RETURNING 1
)
SELECT count(*) FROM removed
