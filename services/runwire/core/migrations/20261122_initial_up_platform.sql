-- Every table that users' data lives in, except the checkpoints' and the store's.
-- What must always hold is a constraint or a unique index here. All clocks that decide anything are the database's.

CREATE TABLE graphs (
    graph_id text PRIMARY KEY,
    -- {"0": {"nodes": [...], "edges": [...]}, "1": ...}: one drawing per xray depth, deeper ones alike left out
    drawings jsonb NOT NULL,
    -- {"input": ..., "output": ..., "state": ..., "config": ..., "context": ...}
    schemas jsonb NOT NULL,
    -- {"namespace": schemas, ...}
    subgraphs jsonb NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE assistants (
    tenant text NOT NULL DEFAULT 'default',
    assistant_id text NOT NULL,
    -- the latest version
    version integer NOT NULL CHECK (version >= 1),
    is_default boolean NOT NULL DEFAULT false,
    request_digest bytea,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant, assistant_id)
);

CREATE INDEX assistants_by_creation ON assistants (tenant, created_at, assistant_id);
CREATE INDEX assistants_by_update ON assistants (tenant, updated_at, assistant_id);

CREATE TABLE assistant_versions (
    tenant text NOT NULL DEFAULT 'default',
    assistant_id text NOT NULL,
    version integer NOT NULL CHECK (version >= 1),
    graph_id text NOT NULL,
    name text NOT NULL,
    description text NOT NULL DEFAULT '',
    -- a serialized runwire.api.type.v1.RunConfig
    config bytea NOT NULL DEFAULT '',
    context json,
    metadata jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant, assistant_id, version),
    FOREIGN KEY (tenant, assistant_id) REFERENCES assistants ON DELETE CASCADE
);

CREATE INDEX assistant_versions_metadata ON assistant_versions USING gin (metadata jsonb_path_ops);

CREATE TABLE threads (
    tenant text NOT NULL DEFAULT 'default',
    thread_id text NOT NULL,
    -- How the last run left the thread. "busy" is not stored: it means that an active run exists.
    status text NOT NULL DEFAULT 'idle' CHECK (status IN ('idle', 'interrupted', 'error')),
    metadata jsonb NOT NULL DEFAULT '{}',
    graph_id text,
    assistant_id text,
    -- the state's values and the interrupts at the last run's end
    values jsonb,
    interrupts jsonb NOT NULL DEFAULT '[]',
    error_type text,
    error_message text,
    ttl_strategy text CHECK (ttl_strategy IN ('delete', 'keep_latest')),
    ttl interval,
    request_digest bytea,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    state_updated_at timestamptz,
    PRIMARY KEY (tenant, thread_id),
    CHECK ((status = 'error') = (error_type IS NOT NULL)),
    CHECK ((ttl IS NULL) = (ttl_strategy IS NULL))
);

CREATE INDEX threads_by_creation ON threads (tenant, created_at, thread_id);
CREATE INDEX threads_by_update ON threads (tenant, updated_at, thread_id);
CREATE INDEX threads_metadata ON threads USING gin (metadata jsonb_path_ops);

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
    run_id uuid PRIMARY KEY,
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
    started_at timestamptz,
    finished_at timestamptz,
    FOREIGN KEY (tenant, thread_id) REFERENCES threads ON DELETE CASCADE,
    CHECK ((finished_at IS NOT NULL) = (status NOT IN ('pending', 'running'))),
    CHECK ((worker_id IS NOT NULL) = (status = 'running')),
    CHECK ((error_type IS NOT NULL) = (status IN ('error', 'timeout'))),
    CHECK (NOT ready OR status = 'pending')
);

CREATE UNIQUE INDEX runs_one_running_per_thread ON runs (tenant, thread_id) WHERE status = 'running';
CREATE UNIQUE INDEX runs_one_ready_per_thread ON runs (tenant, thread_id) WHERE ready;
-- What the claim reads. Finished runs and runs behind the head of a queue are not in it.
CREATE INDEX runs_ready ON runs (due_at, position) INCLUDE (graph_id) WHERE ready;
CREATE INDEX runs_queue ON runs (tenant, thread_id, due_at, position) WHERE status IN ('pending', 'running');
CREATE INDEX runs_of_worker ON runs (worker_id) WHERE status = 'running';
CREATE INDEX runs_by_creation ON runs (tenant, created_at, run_id);
CREATE INDEX runs_of_thread_by_creation ON runs (tenant, thread_id, created_at, run_id);
CREATE INDEX runs_finished ON runs (finished_at) WHERE finished_at IS NOT NULL AND event_log AND NOT events_expired;

-- Rows hold batches: the concatenated bytes of runwire.api.stream.v1.StreamRunResponse messages.
CREATE TABLE run_events (
    run_id uuid NOT NULL REFERENCES runs ON DELETE CASCADE,
    claim integer NOT NULL,
    first_seq integer NOT NULL,
    last_seq integer NOT NULL CHECK (last_seq >= first_seq),
    events bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (run_id, claim, first_seq)
);

ALTER TABLE run_events ALTER COLUMN events SET STORAGE EXTERNAL;

-- Small jobs that need a graph: reads and updates of a thread's state.
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
    FOREIGN KEY (tenant, thread_id) REFERENCES threads ON DELETE CASCADE
);

CREATE INDEX state_requests_pending ON state_requests (created_at) INCLUDE (graph_id) WHERE status = 'pending';
CREATE INDEX state_requests_by_deadline ON state_requests (deadline_at);
