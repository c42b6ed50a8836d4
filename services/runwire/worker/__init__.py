"""The worker: claims runs, executes graphs, writes checkpoints and events, decides outcomes.

A worker is one supervisor process, which runs no user code, and executor processes, which run nothing else:

    supervisor   registers the worker, keeps its lease, spawns, watches and kills executors, passes cancels on, drains
    executor     claims runs up to its free slots and executes them; answers thread state requests in a lane of its own

Every claim of a run has a number. Whatever an executor writes carries it, and Postgres refuses what carries an old one,
so a worker whose lease ran out changes nothing, however late it notices.

This is the only package that imports langgraph or users' graphs.
"""
