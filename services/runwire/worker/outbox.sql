-- name: log_events
-- Appends batches of events of many runs, each only while its claim holds. Whoever does not hear that it was done repeats
-- it with the events that have come since: a batch that begins alike gives way to the longer one.
-- $1 tenants, $2 runs, $3 claims, $4 first and $5 last numbers, $6 bytes
WITH batch AS (
    SELECT * FROM unnest($1::text[], $2::uuid[], $3::int[], $4::int[], $5::int[], $6::bytea[])
        AS b (tenant, run_id, claim, first_seq, last_seq, events)
), held AS MATERIALIZED (
    SELECT r.tenant, r.run_id, r.claim FROM runs r
    -- What another tenant has named alike is sorted out below, where each batch meets its claim.
    WHERE r.run_id = ANY ($2::uuid[]) AND r.tenant = ANY ($1::text[]) AND r.worker_id IS NOT NULL
    -- Whoever locks several runs does it in this order: a cancel of many would else wait for this, and this for the cancel.
    ORDER BY r.thread_id COLLATE "C", r.tenant COLLATE "C", r.due_at DESC, r.position DESC
    FOR SHARE
)
INSERT INTO run_events (tenant, run_id, claim, first_seq, last_seq, events)
SELECT b.tenant, b.run_id, b.claim, b.first_seq, b.last_seq, b.events
FROM batch b JOIN held USING (tenant, run_id, claim)
ON CONFLICT (run_id, tenant, claim, first_seq) DO UPDATE
SET last_seq = EXCLUDED.last_seq, events = EXCLUDED.events
WHERE run_events.last_seq < EXCLUDED.last_seq
