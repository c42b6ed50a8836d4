-- Triggers that note what the product changes, in the order in which it took effect: a change of a run is noted while its
-- row is locked, and what is fenced by a run while that row is locked against its takeover.
CREATE SCHEMA audit;

CREATE TABLE audit.runs (
    seq bigint PRIMARY KEY, at timestamptz NOT NULL, tx xid8 NOT NULL DEFAULT pg_current_xact_id(),
    run_id uuid NOT NULL, thread_id text, old_status text, status text, old_claim integer, claim integer,
    old_attempts integer, attempts integer, old_worker_id uuid, worker_id uuid, cancel_action text
);
CREATE TABLE audit.workers (
    seq bigint PRIMARY KEY, at timestamptz NOT NULL, worker_id uuid NOT NULL, event text NOT NULL, version text
);
CREATE TABLE audit.events (
    seq bigint PRIMARY KEY, run_id uuid NOT NULL, claim integer NOT NULL, first_seq integer NOT NULL, last_seq integer NOT NULL
);
CREATE TABLE audit.checkpoints (
    seq bigint PRIMARY KEY, run_id uuid, attempt integer, token text, step integer, source text
);
CREATE TABLE audit.thread_values (
    seq bigint PRIMARY KEY, tx xid8 NOT NULL DEFAULT pg_current_xact_id(), thread_id text NOT NULL
);
CREATE SEQUENCE audit.seq;

CREATE FUNCTION audit.note_run() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO audit.runs VALUES (nextval('audit.seq'), clock_timestamp(), DEFAULT, NEW.run_id, NEW.thread_id,
            NULL, NEW.status, NULL, NEW.claim, NULL, NEW.attempts, NULL, NEW.worker_id, NEW.cancel_action);
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO audit.runs VALUES (nextval('audit.seq'), clock_timestamp(), DEFAULT, OLD.run_id, OLD.thread_id,
            OLD.status, NULL, OLD.claim, NULL, OLD.attempts, NULL, OLD.worker_id, NULL, OLD.cancel_action);
    ELSE
        INSERT INTO audit.runs VALUES (nextval('audit.seq'), clock_timestamp(), DEFAULT, NEW.run_id, NEW.thread_id,
            OLD.status, NEW.status, OLD.claim, NEW.claim, OLD.attempts, NEW.attempts, OLD.worker_id, NEW.worker_id,
            COALESCE(NEW.cancel_action, OLD.cancel_action));
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER audit_inserted AFTER INSERT OR DELETE ON runs FOR EACH ROW EXECUTE FUNCTION audit.note_run();
CREATE TRIGGER audit_changed AFTER UPDATE ON runs FOR EACH ROW
    WHEN ((OLD.status, OLD.claim, OLD.attempts, OLD.cancel_action)
        IS DISTINCT FROM (NEW.status, NEW.claim, NEW.attempts, NEW.cancel_action))
    EXECUTE FUNCTION audit.note_run();

CREATE FUNCTION audit.note_worker() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    life workers := COALESCE(NEW, OLD);
BEGIN
    INSERT INTO audit.workers VALUES (nextval('audit.seq'), clock_timestamp(), life.worker_id,
        CASE TG_OP WHEN 'INSERT' THEN 'registered' WHEN 'DELETE' THEN 'gone' ELSE 'draining' END, life.version);
    RETURN NULL;
END
$$;
CREATE TRIGGER audit_lives AFTER INSERT OR DELETE ON workers FOR EACH ROW EXECUTE FUNCTION audit.note_worker();
CREATE TRIGGER audit_draining AFTER UPDATE ON workers FOR EACH ROW
    WHEN (NEW.draining AND NOT OLD.draining) EXECUTE FUNCTION audit.note_worker();

CREATE FUNCTION audit.note_events() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO audit.events VALUES (nextval('audit.seq'), NEW.run_id, NEW.claim, NEW.first_seq, NEW.last_seq);
    RETURN NULL;
END
$$;
CREATE TRIGGER audit_events AFTER INSERT OR UPDATE ON run_events FOR EACH ROW EXECUTE FUNCTION audit.note_events();

CREATE FUNCTION audit.note_checkpoint() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO audit.checkpoints VALUES (nextval('audit.seq'), (NEW.metadata ->> 'run_id')::uuid,
        (NEW.metadata ->> 'run_attempt')::integer, NEW.checkpoint -> 'channel_values' ->> 'run',
        (NEW.checkpoint -> 'channel_values' ->> 'at')::integer, NEW.metadata ->> 'source');
    RETURN NULL;
END
$$;
CREATE TRIGGER audit_checkpoints AFTER INSERT OR UPDATE ON checkpoints FOR EACH ROW
    WHEN (NEW.checkpoint_ns = '') EXECUTE FUNCTION audit.note_checkpoint();

CREATE FUNCTION audit.note_values() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO audit.thread_values VALUES (nextval('audit.seq'), DEFAULT, NEW.thread_id);
    RETURN NULL;
END
$$;
CREATE TRIGGER audit_values AFTER UPDATE ON threads FOR EACH ROW
    WHEN (NEW.values IS DISTINCT FROM OLD.values) EXECUTE FUNCTION audit.note_values();
