-- Triggers that note what the product changes, in the order in which it took effect: a change of a run is noted while its
-- row is locked, and what is fenced by a run while that row is locked against its takeover.
CREATE SCHEMA audit;

CREATE TABLE audit.runs (
    seq bigint PRIMARY KEY, at timestamptz NOT NULL, tx xid8 NOT NULL DEFAULT pg_current_xact_id(),
    run_id uuid NOT NULL, thread_id text, old_status text, status text, old_claim integer, claim integer,
    old_attempts integer, attempts integer, old_worker_id uuid, worker_id uuid, cancel_action text,
    -- Where a thread's stream has the run.
    place timestamptz
);
CREATE TABLE audit.workers (
    seq bigint PRIMARY KEY, at timestamptz NOT NULL, worker_id uuid NOT NULL, event text NOT NULL
);
CREATE TABLE audit.events (
    seq bigint PRIMARY KEY, run_id uuid NOT NULL, claim integer NOT NULL, first_seq integer NOT NULL, last_seq integer NOT NULL
);
CREATE TABLE audit.checkpoints (
    seq bigint PRIMARY KEY, tx xid8 NOT NULL DEFAULT pg_current_xact_id(),
    run_id uuid, claim integer, token text, step integer
);
-- What a graph writes beside its checkpoints.
CREATE TABLE audit.writes (seq bigint PRIMARY KEY, run_id uuid NOT NULL);
CREATE TABLE audit.blobs (tx xid8 NOT NULL DEFAULT pg_current_xact_id(), thread_id text NOT NULL);
CREATE TABLE audit.thread_values (
    seq bigint PRIMARY KEY, tx xid8 NOT NULL DEFAULT pg_current_xact_id(), thread_id text NOT NULL
);
-- Updates of threads' states that took effect.
CREATE TABLE audit.updates (tx xid8 NOT NULL DEFAULT pg_current_xact_id(), thread_id text NOT NULL);
CREATE SEQUENCE audit.seq;

CREATE FUNCTION audit.note_run() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO audit.runs VALUES (nextval('audit.seq'), clock_timestamp(), DEFAULT, NEW.run_id, NEW.thread_id,
            NULL, NEW.status, NULL, NEW.claim, NULL, NEW.attempts, NULL, NEW.worker_id, NEW.cancel_action,
            COALESCE(NEW.began_at, NEW.finished_at));
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO audit.runs VALUES (nextval('audit.seq'), clock_timestamp(), DEFAULT, OLD.run_id, OLD.thread_id,
            OLD.status, NULL, OLD.claim, NULL, OLD.attempts, NULL, OLD.worker_id, NULL, OLD.cancel_action,
            COALESCE(OLD.began_at, OLD.finished_at));
    ELSE
        INSERT INTO audit.runs VALUES (nextval('audit.seq'), clock_timestamp(), DEFAULT, NEW.run_id, NEW.thread_id,
            OLD.status, NEW.status, OLD.claim, NEW.claim, OLD.attempts, NEW.attempts, OLD.worker_id, NEW.worker_id,
            COALESCE(NEW.cancel_action, OLD.cancel_action), COALESCE(NEW.began_at, NEW.finished_at));
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
BEGIN
    INSERT INTO audit.workers VALUES (nextval('audit.seq'), clock_timestamp(), OLD.worker_id,
        CASE TG_OP WHEN 'DELETE' THEN 'gone' ELSE 'draining' END);
    RETURN NULL;
END
$$;
CREATE TRIGGER audit_gone AFTER DELETE ON workers FOR EACH ROW EXECUTE FUNCTION audit.note_worker();
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
    INSERT INTO audit.checkpoints VALUES (nextval('audit.seq'), DEFAULT, (NEW.metadata ->> 'run_id')::uuid,
        (NEW.metadata ->> 'run_claim')::integer, NEW.checkpoint -> 'channel_values' ->> 'run',
        (NEW.checkpoint -> 'channel_values' ->> 'at')::integer);
    RETURN NULL;
END
$$;
CREATE TRIGGER audit_checkpoints AFTER INSERT OR UPDATE ON checkpoints FOR EACH ROW
    WHEN (NEW.checkpoint_ns = '') EXECUTE FUNCTION audit.note_checkpoint();

CREATE FUNCTION audit.note_write() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO audit.writes VALUES (nextval('audit.seq'), NEW.run_id);
    RETURN NULL;
END
$$;
CREATE TRIGGER audit_writes AFTER INSERT ON checkpoint_writes FOR EACH ROW
    WHEN (NEW.run_id IS NOT NULL) EXECUTE FUNCTION audit.note_write();
-- A rollback puts back what the run had replaced: that is no write of the run it was taken from.
CREATE TRIGGER audit_replaced AFTER UPDATE ON checkpoint_writes FOR EACH ROW
    WHEN (NEW.run_id IS NOT NULL AND (NEW.run_id = OLD.run_id OR NEW.run_id IS DISTINCT FROM OLD.replaced_run_id))
    EXECUTE FUNCTION audit.note_write();

CREATE FUNCTION audit.note_blobs() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO audit.blobs SELECT DISTINCT pg_current_xact_id(), thread_id FROM written;
    RETURN NULL;
END
$$;
CREATE TRIGGER audit_blobs AFTER INSERT ON checkpoint_blobs REFERENCING NEW TABLE AS written
    FOR EACH STATEMENT EXECUTE FUNCTION audit.note_blobs();

CREATE FUNCTION audit.note_values() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO audit.thread_values VALUES (nextval('audit.seq'), DEFAULT, NEW.thread_id);
    RETURN NULL;
END
$$;
CREATE TRIGGER audit_values AFTER UPDATE ON threads FOR EACH ROW
    WHEN (NEW.values IS DISTINCT FROM OLD.values) EXECUTE FUNCTION audit.note_values();

CREATE FUNCTION audit.note_update() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO audit.updates VALUES (DEFAULT, NEW.thread_id);
    RETURN NULL;
END
$$;
CREATE TRIGGER audit_updates AFTER UPDATE ON state_requests FOR EACH ROW
    WHEN (NEW.kind = 'update' AND NEW.status = 'done' AND OLD.status <> 'done' AND NEW.error_reason IS NULL)
    EXECUTE FUNCTION audit.note_update();
