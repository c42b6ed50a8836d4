-- A thread's queue: which of its runs has the turn.
--
-- Every change of a run's status that touches more than its own row is a function, here and in the files that follow, so each
-- decision is one transaction and one round trip. Inside, statements run one after another and each sees what was committed
-- before it, so a lock that is taken first makes the reads after it current.
--
-- Locks are always taken in this order: worker, thread, run; those of several threads in the bytewise order of their ids, then of
-- their tenants; those of several runs of one thread, or of none, the last of the queue first.
--
-- A run is looked up by its key, and nothing else: "has a worker" is what a CHECK says that "is running" means, and does not tempt
-- the planner to read one of the small indexes of running or ready runs from end to end.

-- Gives a thread's turn to the run that is due first: it becomes ready, which is to say claimable once it is due. A run that
-- is running keeps the turn, and so does one that a worker has begun before: what comes next builds on its checkpoints.
-- An update of the thread's state that has not ended keeps it from all of them. The caller holds the thread's lock. Returns the
-- graph of a run that has got the turn just now, or NULL: there is nothing to wake a worker for.
CREATE FUNCTION pass_turn_on(p_tenant text, p_thread_id text) RETURNS text
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
        SELECT r.run_id, r.claim > 0 FROM runs r
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
