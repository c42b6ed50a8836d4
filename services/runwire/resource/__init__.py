"""Resource: the durable things. Assistants, threads, store items, and what workers published about graphs.

It owns the rows of `assistants` (but the default ones, which workers register) and of `threads`, as far as no run
changes them, and shares the rows of `store` with the graphs. It removes what has expired.

It answers with short reads and writes of Postgres alone: it never makes a worker do something, apart from stopping
what is being deleted, it never holds a call open, and it never needs a graph's code.
"""
