-- The claims of runs that were removed before their end. A run that is created with the id of one goes on counting where that one
-- stopped: its code may still be ending, or its process be stopped, and what it writes then has to bear an older claim than the
-- new run's.

CREATE TABLE former_claims (
    tenant text NOT NULL,
    run_id uuid NOT NULL,
    claim integer NOT NULL,
    removed_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant, run_id)
);

CREATE INDEX former_claims_by_removal ON former_claims (removed_at);

CREATE FUNCTION remember_claims() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO former_claims (tenant, run_id, claim)
    SELECT g.tenant, g.run_id, g.claim FROM gone g
    WHERE g.claim > 0 AND g.finished_at IS NULL
    ORDER BY g.tenant, g.run_id
    ON CONFLICT (tenant, run_id) DO UPDATE SET claim = EXCLUDED.claim, removed_at = EXCLUDED.removed_at;
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
