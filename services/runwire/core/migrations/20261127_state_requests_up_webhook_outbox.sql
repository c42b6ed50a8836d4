-- The outbox of runs' webhooks. What is owed is written by the transaction that ends the run, whoever ends it.

CREATE TABLE webhook_deliveries (
    -- The same at every try, so that a receiver can tell a repetition.
    delivery_id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    tenant text NOT NULL,
    -- A run that was rolled back has no row any more.
    run_id uuid NOT NULL,
    thread_id text,
    -- The serialized runwire.api.dispatch.v1.Webhook; without its headers once nothing is owed any more.
    webhook bytea NOT NULL,
    -- What is sent, while it is owed: the run as it ended.
    body text,
    state text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'delivered', 'failed')),
    attempts integer NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    -- Of the last try; 0: there was no answer.
    last_http_status integer NOT NULL DEFAULT 0,
    last_error text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- While a try is under way this is when it counts as lost, and is made again.
    next_attempt_at timestamptz DEFAULT clock_timestamp(),
    settled_at timestamptz,
    FOREIGN KEY (tenant, thread_id) REFERENCES threads ON DELETE CASCADE,
    CHECK ((state = 'pending') = (body IS NOT NULL)),
    CHECK ((state = 'pending') = (next_attempt_at IS NOT NULL)),
    CHECK ((state = 'pending') = (settled_at IS NULL))
);

CREATE INDEX webhook_deliveries_due ON webhook_deliveries (tenant, next_attempt_at) WHERE next_attempt_at IS NOT NULL;
CREATE INDEX webhook_deliveries_settled ON webhook_deliveries (settled_at) WHERE settled_at IS NOT NULL;
CREATE INDEX webhook_deliveries_by_creation ON webhook_deliveries (tenant, created_at, delivery_id);
CREATE INDEX webhook_deliveries_of_run ON webhook_deliveries (run_id, created_at, delivery_id);
CREATE INDEX webhook_deliveries_of_thread ON webhook_deliveries (tenant, thread_id) WHERE thread_id IS NOT NULL;

-- The tenants that are owed deliveries, and when the first of each is due: they take turns, as those with runs do.
CREATE VIEW webhook_lanes AS
WITH RECURSIVE lane AS (
    (
        SELECT d.tenant, d.next_attempt_at FROM webhook_deliveries d
        WHERE d.next_attempt_at IS NOT NULL
        ORDER BY d.tenant, d.next_attempt_at
        LIMIT 1
    )
    UNION ALL
    SELECT following.tenant, following.next_attempt_at
    FROM lane
    CROSS JOIN LATERAL (
        SELECT d.tenant, d.next_attempt_at FROM webhook_deliveries d
        WHERE d.next_attempt_at IS NOT NULL AND d.tenant > lane.tenant
        ORDER BY d.tenant, d.next_attempt_at
        LIMIT 1
    ) AS following
)
SELECT tenant, next_attempt_at FROM lane;

-- A time as RFC 3339 has it, whatever the session's time zone.
CREATE FUNCTION rfc3339(p_time timestamptz) RETURNS text
LANGUAGE sql STABLE AS $$
    SELECT to_char(timezone('UTC', p_time), 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
$$;

-- What a receiver is told. Large values are left out, and "omitted" names them.
CREATE FUNCTION webhook_body(p_run runs, p_rolled_back boolean) RETURNS text
LANGUAGE plpgsql STABLE AS $$
DECLARE
    omits_output boolean := COALESCE(octet_length(p_run.output::text) > 1024 * 1024, false);
    omits_interrupts boolean := COALESCE(octet_length(p_run.interrupts::text) > 256 * 1024, false);
BEGIN
    RETURN json_build_object(
        'type', 'run.finished',
        'timestamp', rfc3339(p_run.finished_at),
        'data', json_build_object(
            'run_id', p_run.run_id,
            'thread_id', COALESCE(p_run.thread_id, ''),
            'assistant_id', p_run.assistant_id,
            'assistant_version', p_run.assistant_version,
            'graph_id', p_run.graph_id,
            'cron_id', COALESCE(p_run.cron_id, ''),
            'status', p_run.status,
            'rolled_back', p_rolled_back,
            'error', CASE WHEN p_run.error_type IS NOT NULL THEN
                json_build_object('type', p_run.error_type, 'message', COALESCE(p_run.error_message, ''))
            END,
            'attempts', p_run.attempts,
            'create_time', rfc3339(p_run.created_at),
            'start_time', rfc3339(p_run.started_at),
            'finish_time', rfc3339(p_run.finished_at),
            'metadata', p_run.metadata,
            'output', CASE WHEN NOT omits_output THEN p_run.output END,
            'interrupts', CASE WHEN NOT omits_interrupts THEN COALESCE(p_run.interrupts, '[]') END,
            'omitted', to_json(array_remove(ARRAY[
                CASE WHEN omits_output THEN 'output' END,
                CASE WHEN omits_interrupts THEN 'interrupts' END
            ], NULL))
        )
    )::text;
END
$$;

CREATE FUNCTION owe_webhook() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO webhook_deliveries (tenant, run_id, thread_id, webhook, body)
    VALUES (NEW.tenant, NEW.run_id, NEW.thread_id, NEW.webhook, webhook_body(NEW, false));
    RETURN NULL;
END
$$;

CREATE TRIGGER runs_owe_webhook_at_end AFTER UPDATE OF status ON runs
FOR EACH ROW
WHEN (OLD.finished_at IS NULL AND NEW.finished_at IS NOT NULL AND NEW.webhook IS NOT NULL)
EXECUTE FUNCTION owe_webhook();

-- A run that is removed before its end was rolled back, which its receiver is told; one that has ended takes its
-- deliveries along. Where the thread is deleted too, what is owed here goes with it.
CREATE FUNCTION settle_webhook_of_removed_run() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    gone runs := OLD;
BEGIN
    IF OLD.finished_at IS NOT NULL THEN
        DELETE FROM webhook_deliveries WHERE tenant = OLD.tenant AND run_id = OLD.run_id;
        RETURN NULL;
    END IF;
    IF OLD.thread_id IS NOT NULL THEN
        PERFORM 1 FROM threads WHERE tenant = OLD.tenant AND thread_id = OLD.thread_id;
        IF NOT FOUND THEN
            RETURN NULL;
        END IF;
    END IF;
    gone.status := 'cancelled';
    gone.finished_at := clock_timestamp();
    INSERT INTO webhook_deliveries (tenant, run_id, thread_id, webhook, body)
    VALUES (OLD.tenant, OLD.run_id, OLD.thread_id, OLD.webhook, webhook_body(gone, true));
    RETURN NULL;
END
$$;

CREATE TRIGGER runs_settle_webhook_at_removal AFTER DELETE ON runs
FOR EACH ROW
WHEN (OLD.webhook IS NOT NULL)
EXECUTE FUNCTION settle_webhook_of_removed_run();
