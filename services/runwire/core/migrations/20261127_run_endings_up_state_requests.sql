-- Small jobs that need a graph: reads and updates of a thread's state.
--
-- Updates of a thread's state hold the thread as a run does. From the moment an update is asked for until it has ended, no run
-- of the thread becomes ready: those that are created meanwhile wait in the queue. An update's writes and its end are one
-- transaction, which holds only if the request is still running under the claim that the update began with.
--
-- Locks are taken in the order of the runs': thread, then request.

CREATE TABLE state_requests (
    request_id uuid PRIMARY KEY,
    tenant text NOT NULL,
    thread_id text NOT NULL,
    graph_id text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('get', 'history', 'update')),
    -- The serialized RPC request.
    request bytea NOT NULL,
    status text NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'running', 'done')),
    worker_id uuid,
    -- The serialized RPC response, or a refusal: an ErrorReason and a text.
    response bytea,
    error_reason text,
    error_message text,
    created_at timestamptz NOT NULL DEFAULT now(),
    -- Nobody waits for the answer after this.
    deadline_at timestamptz NOT NULL,
    -- The fence: each claim adds one.
    claim integer NOT NULL DEFAULT 0,
    -- Which of the worker's executor processes has it.
    executor integer,
    FOREIGN KEY (tenant, thread_id) REFERENCES threads ON DELETE CASCADE
);

CREATE INDEX state_requests_pending ON state_requests (graph_id, tenant, created_at) WHERE status = 'pending';
CREATE INDEX state_requests_by_deadline ON state_requests (deadline_at);
CREATE UNIQUE INDEX state_requests_one_update_per_thread ON state_requests (tenant, thread_id)
WHERE kind = 'update' AND status = 'running';
CREATE INDEX state_requests_updates ON state_requests (tenant, thread_id, created_at, request_id)
WHERE kind = 'update' AND status <> 'done';

-- Requests that wait lie in lanes as runs do; of a lane one is taken at a time.
CREATE VIEW state_lanes AS
WITH RECURSIVE lane AS (
    (
        SELECT s.graph_id, s.tenant FROM state_requests s
        WHERE s.status = 'pending'
        ORDER BY s.graph_id, s.tenant
        LIMIT 1
    )
    UNION ALL
    SELECT following.graph_id, following.tenant
    FROM lane
    CROSS JOIN LATERAL (
        SELECT s.graph_id, s.tenant FROM state_requests s
        WHERE s.status = 'pending' AND (s.graph_id, s.tenant) > (lane.graph_id, lane.tenant)
        ORDER BY s.graph_id, s.tenant
        LIMIT 1
    ) AS following
)
SELECT graph_id, tenant FROM lane;

-- A run that would be the first of its thread waits as well; those behind it do by `pass_turn_on`. Whoever creates a run holds
-- its thread's lock, as does whoever asks for an update.
CREATE FUNCTION wait_for_state_update() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    NEW.ready := NOT EXISTS (
        SELECT 1 FROM state_requests s
        WHERE s.tenant = NEW.tenant AND s.thread_id = NEW.thread_id AND s.kind = 'update' AND s.status <> 'done'
    );
    RETURN NEW;
END
$$;

CREATE TRIGGER runs_wait_for_state_update BEFORE INSERT ON runs
FOR EACH ROW WHEN (NEW.ready AND NEW.thread_id IS NOT NULL)
EXECUTE FUNCTION wait_for_state_update();

-- Stores an update if nothing speaks against it: the thread is there, has a graph that a live worker serves, and no active
-- run. Updates of one thread queue up in the order in which they were asked for.
CREATE FUNCTION ask_state_update(
    p_request_id uuid, p_tenant text, p_thread_id text, p_request bytea, p_patience interval
) RETURNS TABLE (thread_found boolean, graph_id text, busy boolean, served boolean)
LANGUAGE plpgsql AS $$
BEGIN
    SELECT t.graph_id INTO graph_id FROM threads t
    WHERE t.tenant = p_tenant AND t.thread_id = p_thread_id FOR UPDATE;
    thread_found := FOUND;
    busy := EXISTS (
        SELECT 1 FROM runs r
        WHERE r.tenant = p_tenant AND r.thread_id = p_thread_id AND r.status IN ('pending', 'running')
    );
    served := EXISTS (
        SELECT 1 FROM workers w
        WHERE ask_state_update.graph_id = ANY(w.graph_ids) AND NOT w.draining AND w.heartbeat_at + w.lease >= now()
    );
    IF thread_found AND served AND NOT busy THEN
        -- The clock is read behind the thread's lock, so that the order of the times is the order of the queue.
        INSERT INTO state_requests (request_id, tenant, thread_id, graph_id, kind, request, created_at, deadline_at)
        VALUES (
            p_request_id, p_tenant, p_thread_id, graph_id, 'update', p_request,
            clock_timestamp(), clock_timestamp() + p_patience
        );
    END IF;
    RETURN NEXT;
END
$$;

-- Ends an update for the holder of its claim, with an answer or with a refusal. Not held: nothing was changed.
-- Returns the graph of the thread's next run as well, or NULL.
CREATE FUNCTION end_state_update(
    p_request_id uuid, p_claim integer, p_response bytea, p_error_reason text, p_error_message text
) RETURNS TABLE (held boolean, promoted_graph_id text)
LANGUAGE plpgsql AS $$
DECLARE
    mine state_requests;
BEGIN
    held := false;
    SELECT s.* INTO mine FROM state_requests s WHERE s.request_id = p_request_id;
    IF FOUND THEN
        PERFORM 1 FROM threads t WHERE t.tenant = mine.tenant AND t.thread_id = mine.thread_id FOR UPDATE;
        UPDATE state_requests s
        SET status = 'done', response = p_response, error_reason = p_error_reason, error_message = p_error_message
        WHERE s.request_id = p_request_id AND s.claim = p_claim AND s.status = 'running';
        held := FOUND;
    END IF;
    IF held THEN
        promoted_graph_id := pass_turn_on(mine.tenant, mine.thread_id);
    END IF;
    RETURN NEXT;
END
$$;

-- Removes a request that nobody waits for, or, with p_only_pending, one that nobody has begun. What an update has written by
-- then goes with its transaction. Returns whether it was removed, and the graph of the thread's next run, or NULL.
CREATE FUNCTION remove_state_request(p_request_id uuid, p_only_pending boolean)
RETURNS TABLE (removed boolean, promoted_graph_id text)
LANGUAGE plpgsql AS $$
DECLARE
    found_request state_requests;
BEGIN
    removed := false;
    SELECT s.* INTO found_request FROM state_requests s WHERE s.request_id = p_request_id;
    IF FOUND THEN
        IF found_request.kind = 'update' THEN
            PERFORM 1 FROM threads t
            WHERE t.tenant = found_request.tenant AND t.thread_id = found_request.thread_id FOR UPDATE;
        END IF;
        DELETE FROM state_requests s
        WHERE s.request_id = p_request_id AND (NOT p_only_pending OR s.status = 'pending');
        removed := FOUND;
    END IF;
    IF removed AND found_request.kind = 'update' THEN
        promoted_graph_id := pass_turn_on(found_request.tenant, found_request.thread_id);
    END IF;
    RETURN NEXT;
END
$$;
