-- What streams of threads need beyond the first tables: the order in which a thread's runs began.

-- When the first attempt began; `started_at` is that of the latest one.
ALTER TABLE runs ADD COLUMN began_at timestamptz;

-- A run that ended without a beginning has its place by its end.
CREATE INDEX runs_of_thread_by_beginning ON runs (tenant, thread_id, (COALESCE(began_at, finished_at)))
WHERE thread_id IS NOT NULL AND COALESCE(began_at, finished_at) IS NOT NULL;
