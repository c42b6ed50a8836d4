-- name: claim
-- Takes deliveries that are due: in turn between tenants, whoever has least under way here first, and by lot among equals; of each
-- tenant those that are due the longest. One whose taker is never heard of again is due once more after the lease.
-- $1 how many, $2 lease, $3 the tenant of each delivery that is under way here
WITH held AS (
    SELECT h.tenant, count(*) AS held FROM unnest($3::text[]) AS h (tenant) GROUP BY h.tenant
), lane AS MATERIALIZED (
    SELECT l.tenant, COALESCE(h.held, 0) AS held, random() AS lot
    FROM webhook_lanes l LEFT JOIN held h USING (tenant)
    WHERE l.next_attempt_at <= now()
), turn AS (
    SELECT
        l.tenant, l.lot, l.held + row_number() OVER (PARTITION BY l.tenant ORDER BY head.next_attempt_at) AS turn
    FROM lane l
    CROSS JOIN LATERAL (
        SELECT d.next_attempt_at FROM webhook_deliveries d
        WHERE d.tenant = l.tenant AND d.next_attempt_at <= now()
        ORDER BY d.next_attempt_at
        LIMIT $1
    ) AS head
), share AS (
    SELECT chosen.tenant, count(*) AS deliveries
    FROM (SELECT turn.tenant FROM turn ORDER BY turn.turn, turn.lot LIMIT $1) AS chosen
    GROUP BY chosen.tenant
)
UPDATE webhook_deliveries AS d
SET attempts = d.attempts + 1, next_attempt_at = clock_timestamp() + $2
FROM (
    SELECT head.delivery_id
    FROM share
    CROSS JOIN LATERAL (
        SELECT o.delivery_id FROM webhook_deliveries o
        WHERE o.tenant = share.tenant AND o.next_attempt_at <= now()
        ORDER BY o.next_attempt_at
        LIMIT share.deliveries
        FOR UPDATE SKIP LOCKED
    ) AS head
) AS due
WHERE d.delivery_id = due.delivery_id
RETURNING d.delivery_id, d.tenant, d.run_id, d.webhook, d.body, d.attempts, clock_timestamp() AS claimed_at

-- name: settle_as_delivered
-- However late it is recorded: the receiver has it.
-- $1 delivery_id, $2 http_status, $3 the webhook without its headers
UPDATE webhook_deliveries
SET state = 'delivered', settled_at = clock_timestamp(), next_attempt_at = NULL, body = NULL,
    last_http_status = $2, last_error = '', webhook = $3
WHERE delivery_id = $1 AND state <> 'delivered'

-- name: put_off
-- Only by the newest taker.
-- $1 delivery_id, $2 attempts, $3 http_status, $4 error, $5 delay
UPDATE webhook_deliveries
SET next_attempt_at = clock_timestamp() + $5, last_http_status = $3, last_error = $4
WHERE delivery_id = $1 AND attempts = $2 AND state = 'pending'

-- name: give_up
-- As put_off.
-- $1 delivery_id, $2 attempts, $3 http_status, $4 error, $5 the webhook without its headers
UPDATE webhook_deliveries
SET state = 'failed', settled_at = clock_timestamp(), next_attempt_at = NULL, body = NULL,
    last_http_status = $3, last_error = $4, webhook = $5
WHERE delivery_id = $1 AND attempts = $2 AND state = 'pending'

-- name: forget
-- $1 retention, $2 how many at once
DELETE FROM webhook_deliveries
WHERE delivery_id IN (
    SELECT delivery_id FROM webhook_deliveries
    WHERE settled_at < now() - $1::interval
    ORDER BY settled_at
    LIMIT $2
    FOR UPDATE SKIP LOCKED
)
RETURNING delivery_id

-- name: list
-- $1 tenant, $2 state or NULL, $3 created_at and $4 delivery_id of the row before the page or NULL, $5 limit
SELECT delivery_id, run_id, webhook, state, attempts, last_http_status, last_error, created_at, next_attempt_at, settled_at
FROM webhook_deliveries
WHERE tenant = $1
AND (created_at, delivery_id)
    < (COALESCE($3::timestamptz, 'infinity'), COALESCE($4::uuid, '00000000-0000-0000-0000-000000000000'))
AND ($2::text IS NULL OR state = $2)
ORDER BY created_at DESC, delivery_id DESC
LIMIT $5

-- name: list_of_run
-- As list, and $6 run_id.
SELECT delivery_id, run_id, webhook, state, attempts, last_http_status, last_error, created_at, next_attempt_at, settled_at
FROM webhook_deliveries
WHERE tenant = $1 AND run_id = $6
AND (created_at, delivery_id)
    < (COALESCE($3::timestamptz, 'infinity'), COALESCE($4::uuid, '00000000-0000-0000-0000-000000000000'))
AND ($2::text IS NULL OR state = $2)
ORDER BY created_at DESC, delivery_id DESC
LIMIT $5
