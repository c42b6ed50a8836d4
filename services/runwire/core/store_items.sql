-- What the graphs' store and StoreService have in common. A namespace is stored as its labels joined with dots, which no label
-- contains. An item past its time is not read, whether it has been swept or not.

-- name: alive
-- Of `store AS s`.
s.expires_at IS NULL OR s.expires_at > now()

-- name: found
-- Of `store AS s`. $1 tenant, $2 prefix or null for all; conditions: $3 keys of the value, $4 operators, $5 JSON operands.
-- What lies below "a.b" is exactly what sorts bytewise between "a.b." and "a.b/". Sizes compare within one JSON type: numbers
-- as numbers, texts as texts.
s.tenant = $1
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

-- name: namespaces
-- $1 tenant, $2 regular expressions that all have to match, $3 labels to keep or null for all.
SELECT DISTINCT (string_to_array(s.prefix, '.'))[1:coalesce($3::int, 2147483647)] AS namespace
FROM store AS s
WHERE s.tenant = $1 AND s.prefix ~ ALL ($2::text[]) AND (s.expires_at IS NULL OR s.expires_at > now())

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
