-- name: log_events
-- Appends batches of events of many runs, each only while its claim holds. Whoever does not hear that it was done repeats
-- it with the events that have come since: a batch that begins alike gives way to the longer one.
-- $1 runs, $2 claims, $3 first and $4 last numbers, $5 bytes
WITH batch AS (
    SELECT * FROM unnest($1::uuid[], $2::int[], $3::int[], $4::int[], $5::bytea[])
        AS b (run_id, claim, first_seq, last_seq, events)
), held AS MATERIALIZED (
    SELECT r.run_id, r.claim FROM runs r
    WHERE r.run_id = ANY ($1::uuid[]) AND r.status = 'running'
    ORDER BY r.run_id
    FOR SHARE
)
INSERT INTO run_events (run_id, claim, first_seq, last_seq, events)
SELECT b.run_id, b.claim, b.first_seq, b.last_seq, b.events
FROM batch b JOIN held USING (run_id, claim)
ON CONFLICT (run_id, claim, first_seq) DO UPDATE
SET last_seq = EXCLUDED.last_seq, events = EXCLUDED.events
WHERE run_events.last_seq < EXCLUDED.last_seq
