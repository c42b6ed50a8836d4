-- name: look
-- The run's row and a page of its event log, of one moment: where the row is final, the log is complete.
-- One row with NULLs in place of a batch when the log has nothing after the position. A page has one batch at least, and
-- then as many as fit; `found` counts those that could have been in it, up to the limit.
-- $1 tenant, $2 run, $3 claim and $4 number of the event before the page, $5 bytes and $6 batches of a page
SELECT
    r.thread_id, r.status, r.claim, r.began_at IS NOT NULL AS has_begun, r.event_log, r.events_expired,
    r.error_type, r.error_message, r.finished_at,
    COALESCE(r.finished_at > now() - interval '5 seconds', false) AS has_just_ended,
    page.claim AS batch_claim, page.first_seq, page.last_seq, page.events, page.found
FROM runs r
LEFT JOIN LATERAL (
    SELECT sized.claim, sized.first_seq, sized.last_seq, sized.events, sized.found
    FROM (
        SELECT
            e.claim, e.first_seq, e.last_seq, e.events, count(*) OVER () AS found,
            sum(octet_length(e.events)) OVER (ORDER BY e.claim, e.first_seq) - octet_length(e.events) AS bytes_before
        FROM (
            SELECT b.claim, b.first_seq, b.last_seq, b.events
            FROM run_events b
            WHERE b.run_id = r.run_id AND b.tenant = r.tenant
            -- From the batch on that the position lies in: reading begins at one place of the index.
            AND (b.claim, b.first_seq) >= ($3, COALESCE((
                SELECT max(p.first_seq) FROM run_events p
                WHERE p.run_id = r.run_id AND p.tenant = r.tenant AND p.claim = $3 AND p.first_seq <= $4
            ), 0))
            AND (b.claim, b.last_seq) > ($3, $4)
            ORDER BY b.claim, b.first_seq
            LIMIT $6
        ) AS e
    ) AS sized
    WHERE sized.bytes_before < $5
) AS page ON true
WHERE r.tenant = $1 AND r.run_id = $2
ORDER BY page.claim, page.first_seq

-- name: final_status_of_removed
-- How a run ended that was deleted within the last day. NULL or no row: it was removed before its end, or there was none.
-- $1 tenant, $2 run
SELECT final_status FROM removed_runs WHERE tenant = $1 AND run_id = $2

-- name: newest_batch
-- NULLs in place of the batch when the log has none.
-- $1 tenant, $2 run
SELECT r.events_expired, newest.claim, newest.first_seq, newest.last_seq, newest.events
FROM runs r
LEFT JOIN LATERAL (
    SELECT e.claim, e.first_seq, e.last_seq, e.events
    FROM run_events e
    WHERE e.tenant = r.tenant AND e.run_id = r.run_id
    ORDER BY e.claim DESC, e.first_seq DESC
    LIMIT 1
) AS newest ON true
WHERE r.tenant = $1 AND r.run_id = $2
