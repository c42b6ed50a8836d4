-- Workers, the runs that they execute, and the runs' events.
-- A run's id belongs to its tenant: what another tenant has named so is neither met nor noticed. The id stands first in the keys,
-- since it tells rows apart at the first comparison.

CREATE TABLE workers (
    worker_id uuid PRIMARY KEY,
    host text NOT NULL,
    version text NOT NULL,
    graph_ids text[] NOT NULL,
    slots integer NOT NULL,
    draining boolean NOT NULL DEFAULT false,
    -- A worker that has not renewed for this long is dead, and its runs are given to others.
    lease interval NOT NULL,
    started_at timestamptz NOT NULL DEFAULT now(),
    heartbeat_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE runs (
    run_id uuid NOT NULL,
    tenant text NOT NULL DEFAULT 'default',
    thread_id text,
    assistant_id text NOT NULL,
    assistant_version integer NOT NULL,
    graph_id text NOT NULL,
    status text NOT NULL DEFAULT 'pending' CHECK (
        status IN ('pending', 'running', 'success', 'interrupted', 'error', 'timeout', 'cancelled')
    ),
    multitask_strategy text NOT NULL DEFAULT 'enqueue' CHECK (
        multitask_strategy IN ('enqueue', 'reject', 'interrupt', 'rollback')
    ),
    -- It is its thread's turn: what a worker may claim once it is due.
    ready boolean NOT NULL DEFAULT false,
    due_at timestamptz NOT NULL,
    -- The order of creation; it settles ties of due_at.
    position bigint GENERATED ALWAYS AS IDENTITY,
    -- The fence: each claim adds one, and only the holder of the newest may write.
    claim integer NOT NULL DEFAULT 0,
    worker_id uuid,
    -- Which of the worker's executor processes has it.
    executor integer,
    attempts integer NOT NULL DEFAULT 0,
    -- Of one attempt. NULL: the worker's default.
    run_timeout interval,
    -- When the attempt's time is up.
    deadline_at timestamptz,
    cancel_action text CHECK (cancel_action IN ('interrupt', 'rollback')),
    -- The serialized runwire.api.dispatch.v1.CreateRunRequest with config and context as merged at creation.
    request bytea NOT NULL,
    -- Of the request as it came: tells a repeated call from another one with the same id.
    request_digest bytea NOT NULL,
    metadata jsonb NOT NULL DEFAULT '{}',
    event_log boolean NOT NULL DEFAULT true,
    events_expired boolean NOT NULL DEFAULT false,
    output json,
    interrupts json,
    error_type text,
    error_message text,
    cron_id text,
    -- A serialized runwire.api.dispatch.v1.Webhook: whom to tell that the run has ended.
    webhook bytea,
    created_at timestamptz NOT NULL,
    -- That of the latest attempt; `began_at` is when the first one began.
    started_at timestamptz,
    finished_at timestamptz,
    began_at timestamptz,
    PRIMARY KEY (run_id, tenant),
    FOREIGN KEY (tenant, thread_id) REFERENCES threads ON DELETE CASCADE,
    CHECK ((finished_at IS NOT NULL) = (status NOT IN ('pending', 'running'))),
    CHECK ((worker_id IS NOT NULL) = (status = 'running')),
    CHECK ((error_type IS NOT NULL) = (status IN ('error', 'timeout'))),
    CHECK (NOT ready OR status = 'pending')
);

CREATE UNIQUE INDEX runs_one_running_per_thread ON runs (tenant, thread_id) WHERE status = 'running';
CREATE UNIQUE INDEX runs_one_ready_per_thread ON runs (tenant, thread_id) WHERE ready;
-- What the claim reads. Finished runs and runs behind the head of a queue are not in it. A ready run is pending, says a CHECK; a
-- statement that says so too is served by this index, and one that looks for a thread's ready run is not tempted by it.
CREATE INDEX runs_ready ON runs (graph_id, tenant, due_at, position) WHERE ready AND status = 'pending';
CREATE INDEX runs_due ON runs (graph_id, due_at, tenant) WHERE ready AND status = 'pending';
CREATE INDEX runs_queue ON runs (tenant, thread_id, due_at, position) WHERE status IN ('pending', 'running');
CREATE INDEX runs_of_worker ON runs (worker_id) WHERE status = 'running';
CREATE INDEX runs_by_creation ON runs (tenant, created_at, run_id);
CREATE INDEX runs_of_thread_by_creation ON runs (tenant, thread_id, created_at, run_id);
-- The order in which a thread's runs began, for its stream. A run that ended without a beginning has its place by its end.
CREATE INDEX runs_of_thread_by_beginning ON runs (tenant, thread_id, (COALESCE(began_at, finished_at)))
WHERE thread_id IS NOT NULL AND COALESCE(began_at, finished_at) IS NOT NULL;
CREATE INDEX runs_finished ON runs (finished_at) WHERE finished_at IS NOT NULL AND event_log AND NOT events_expired;

-- Rows hold batches: the concatenated bytes of runwire.api.stream.v1.StreamRunResponse messages.
CREATE TABLE run_events (
    run_id uuid NOT NULL,
    claim integer NOT NULL,
    first_seq integer NOT NULL,
    last_seq integer NOT NULL CHECK (last_seq >= first_seq),
    events bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    tenant text NOT NULL DEFAULT 'default',
    PRIMARY KEY (run_id, tenant, claim, first_seq),
    FOREIGN KEY (run_id, tenant) REFERENCES runs ON DELETE CASCADE
);

ALTER TABLE run_events ALTER COLUMN events SET STORAGE EXTERNAL;
