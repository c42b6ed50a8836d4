-- The claims of runs that are gone. A run that is created with the id of one goes on counting where that one stopped: code of any
-- of its claims may still be ending, or its process be stopped, and what it writes then has to bear an older claim than the new
-- run's. So a run has been begun where it has a `began_at`; its claim does not tell.
-- Who still reads a run that is gone is told here how it ended.

CREATE TABLE former_claims (
    tenant text NOT NULL,
    run_id uuid NOT NULL,
    claim integer NOT NULL,
    removed_at timestamptz NOT NULL DEFAULT now(),
    -- NULL: it was removed before its end.
    final_status text,
    PRIMARY KEY (tenant, run_id)
);

CREATE INDEX former_claims_by_removal ON former_claims (removed_at);

CREATE FUNCTION remember_claims() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO former_claims (tenant, run_id, claim, final_status)
    SELECT g.tenant, g.run_id, g.claim, CASE WHEN g.finished_at IS NOT NULL THEN g.status END FROM gone g
    -- Of one that ended a day ago no code is left, and no reader that has not heard of it.
    WHERE (g.claim > 0 OR g.finished_at IS NOT NULL) AND COALESCE(g.finished_at, now()) > now() - interval '1 day'
    ORDER BY g.tenant, g.run_id
    ON CONFLICT (tenant, run_id) DO UPDATE
    SET claim = EXCLUDED.claim, final_status = EXCLUDED.final_status, removed_at = EXCLUDED.removed_at;
    RETURN NULL;
END
$$;

CREATE TRIGGER runs_remember_claims AFTER DELETE ON runs
REFERENCING OLD TABLE AS gone FOR EACH STATEMENT
EXECUTE FUNCTION remember_claims();

CREATE FUNCTION go_on_counting() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    NEW.claim := COALESCE(
        (SELECT f.claim FROM former_claims f WHERE f.tenant = NEW.tenant AND f.run_id = NEW.run_id), NEW.claim
    );
    RETURN NEW;
END
$$;

CREATE TRIGGER runs_go_on_counting BEFORE INSERT ON runs
FOR EACH ROW EXECUTE FUNCTION go_on_counting();

-- Gives a thread's turn to the run that is due first: it becomes ready, which is to say claimable once it is due. A run that
-- is running keeps the turn, and so does one that a worker has begun before: what comes next builds on its checkpoints.
-- An update of the thread's state that has not ended keeps it from all of them. The caller holds the thread's lock. Returns the
-- graph of a run that has got the turn just now, or NULL: there is nothing to wake a worker for.
CREATE OR REPLACE FUNCTION pass_turn_on(p_tenant text, p_thread_id text) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    holder record;
    following uuid;
    promoted_graph_id text;
BEGIN
    -- One statement: a claim, which does not wait for the thread's lock, makes the one that is ready the one that runs.
    SELECT h.run_id, h.keeps INTO holder
    FROM (
        SELECT r.run_id, true AS keeps FROM runs r
        WHERE r.tenant = p_tenant AND r.thread_id = p_thread_id AND r.status = 'running'
        UNION ALL
        SELECT r.run_id, r.began_at IS NOT NULL FROM runs r
        WHERE r.tenant = p_tenant AND r.thread_id = p_thread_id AND r.ready
    ) h;
    IF holder.keeps OR EXISTS (
        SELECT 1 FROM state_requests s
        WHERE s.tenant = p_tenant AND s.thread_id = p_thread_id AND s.kind = 'update' AND s.status <> 'done'
    ) THEN
        RETURN NULL;
    END IF;
    SELECT r.run_id INTO following FROM runs r
    WHERE r.tenant = p_tenant AND r.thread_id = p_thread_id AND r.status = 'pending'
    ORDER BY r.due_at, r.position
    LIMIT 1;
    IF following IS NULL OR following = holder.run_id THEN
        RETURN NULL;
    END IF;
    IF holder.run_id IS NOT NULL THEN
        UPDATE runs SET ready = false WHERE tenant = p_tenant AND run_id = holder.run_id AND worker_id IS NULL;
        IF NOT FOUND THEN
            RETURN NULL;
        END IF;
    END IF;
    UPDATE runs SET ready = true WHERE tenant = p_tenant AND run_id = following
    RETURNING graph_id INTO promoted_graph_id;
    RETURN promoted_graph_id;
END
$$;
