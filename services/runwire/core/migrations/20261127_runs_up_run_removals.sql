-- The runs that are gone, for a day. No other run gets such an id: the request that created it may have been made twice, and the
-- second one still be on its way; and code of its claims may still be ending, whose writes have to find nothing to go to.
-- Who still reads a run that is gone is told here how it ended.

CREATE TABLE removed_runs (
    tenant text NOT NULL,
    run_id uuid NOT NULL,
    removed_at timestamptz NOT NULL DEFAULT now(),
    -- NULL: it was removed before its end.
    final_status text,
    PRIMARY KEY (tenant, run_id)
);

CREATE INDEX removed_runs_by_time ON removed_runs (removed_at);

CREATE FUNCTION remember_removed() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO removed_runs (tenant, run_id, final_status)
    SELECT g.tenant, g.run_id, CASE WHEN g.finished_at IS NOT NULL THEN g.status END FROM gone g
    -- Of one that ended a day ago no request is on its way, no code is left, and no reader that has not heard of it.
    WHERE COALESCE(g.finished_at, now()) > now() - interval '1 day'
    ORDER BY g.tenant, g.run_id;
    RETURN NULL;
END
$$;

CREATE TRIGGER runs_remember_removed AFTER DELETE ON runs
REFERENCING OLD TABLE AS gone FOR EACH STATEMENT
EXECUTE FUNCTION remember_removed();
