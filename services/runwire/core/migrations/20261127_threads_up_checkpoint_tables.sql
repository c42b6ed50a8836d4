-- The tables of langgraph-checkpoint-postgres 3.2, column for column, so that a database moves between it and Runwire
-- without conversion. Every statement may meet a database which that package has already set up.

CREATE TABLE IF NOT EXISTS checkpoint_migrations (
    v integer PRIMARY KEY
);

CREATE TABLE IF NOT EXISTS checkpoints (
    thread_id text NOT NULL,
    checkpoint_ns text NOT NULL DEFAULT '',
    checkpoint_id text NOT NULL,
    parent_checkpoint_id text,
    type text,
    checkpoint jsonb NOT NULL,
    metadata jsonb NOT NULL DEFAULT '{}',
    PRIMARY KEY (thread_id, checkpoint_ns, checkpoint_id)
);

CREATE TABLE IF NOT EXISTS checkpoint_blobs (
    thread_id text NOT NULL,
    checkpoint_ns text NOT NULL DEFAULT '',
    channel text NOT NULL,
    version text NOT NULL,
    type text NOT NULL,
    blob bytea,
    PRIMARY KEY (thread_id, checkpoint_ns, channel, version)
);

CREATE TABLE IF NOT EXISTS checkpoint_writes (
    thread_id text NOT NULL,
    checkpoint_ns text NOT NULL DEFAULT '',
    checkpoint_id text NOT NULL,
    task_id text NOT NULL,
    idx integer NOT NULL,
    channel text NOT NULL,
    type text,
    blob bytea NOT NULL,
    task_path text NOT NULL DEFAULT '',
    PRIMARY KEY (thread_id, checkpoint_ns, checkpoint_id, task_id, idx)
);

-- What databases of older releases of that package lack.
ALTER TABLE checkpoint_blobs ALTER COLUMN blob DROP NOT NULL;
ALTER TABLE checkpoint_writes ADD COLUMN IF NOT EXISTS task_path text NOT NULL DEFAULT '';

-- What lies here by now is of before there were tenants, so all of it is the default tenant's. An id with a slash would read as
-- another tenant's.
UPDATE checkpoints SET thread_id = 'default/' || thread_id WHERE position('/' IN thread_id) > 0;
UPDATE checkpoint_blobs SET thread_id = 'default/' || thread_id WHERE position('/' IN thread_id) > 0;
UPDATE checkpoint_writes SET thread_id = 'default/' || thread_id WHERE position('/' IN thread_id) > 0;

-- A run is rolled back by its id. A run that resumes a paused graph writes to a checkpoint that another run made, so writes
-- bear their run too, and one that replaces another run's keeps what it replaced.
ALTER TABLE checkpoint_writes ADD COLUMN IF NOT EXISTS run_id uuid;
ALTER TABLE checkpoint_writes ADD COLUMN IF NOT EXISTS replaced_run_id uuid;
ALTER TABLE checkpoint_writes ADD COLUMN IF NOT EXISTS replaced_type text;
ALTER TABLE checkpoint_writes ADD COLUMN IF NOT EXISTS replaced_blob bytea;

-- The package's own indexes on thread_id alone are left out: each repeats the head of a primary key.
CREATE INDEX IF NOT EXISTS checkpoints_run_id_idx ON checkpoints ((metadata ->> 'run_id'));
-- What a run's Command writes lies on a checkpoint of another run.
CREATE INDEX checkpoint_writes_of_commands ON checkpoint_writes (run_id)
WHERE task_id = '00000000-0000-0000-0000-000000000000';

-- The version up to which that package would migrate; its setup() finds nothing left to do.
INSERT INTO checkpoint_migrations (v)
SELECT v FROM generate_series(0, 9) AS v
ON CONFLICT (v) DO NOTHING;
