-- name: read_run
-- JSON is taken apart here, so that its texts stay as they are.
-- $1 tenant, $2 run
SELECT
    r.run_id, r.thread_id, r.assistant_id, r.assistant_version, r.graph_id, r.status, r.error_type, r.error_message,
    r.metadata, r.multitask_strategy, r.attempts, r.cancel_action, r.cron_id, r.created_at, r.due_at, r.started_at,
    r.finished_at,
    CASE WHEN r.status IN ('success', 'interrupted') THEN r.output END AS output,
    paused.ids, paused.payloads, paused.namespaces, paused.schemas
FROM runs r
LEFT JOIN LATERAL (
    SELECT
        array_agg(i.item ->> 'id' ORDER BY i.number) AS ids,
        array_agg((i.item -> 'value')::text ORDER BY i.number) AS payloads,
        array_agg((i.item -> 'ns')::text ORDER BY i.number) AS namespaces,
        array_agg((i.item -> 'response_schema')::text ORDER BY i.number) AS schemas
    FROM json_array_elements(
        CASE WHEN r.status = 'interrupted' AND json_typeof(r.interrupts) = 'array' THEN r.interrupts ELSE '[]' END
    ) WITH ORDINALITY AS i (item, number)
) AS paused ON true
WHERE r.tenant = $1 AND r.run_id = $2
