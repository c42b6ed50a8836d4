"""The protocol as a model: what docs/protocol.md says, tried with thousands of seeds.

Following (`test_follow_*`): the product's Follower, ThreadFollower, fan-out, subscriptions, log and outbox run on an
event loop with virtual time, against a Postgres and a Redis that are simulated down to lost answers, late commits,
duplicates and broken connections. A seed decides everything, the order in which tasks run included:
`python -m tests.model run SEED` tells the story of one.

A run's life (`test_life_*`): the product's statements on a real Postgres, compared with a model in Python after each
step, and two at a time in all orders.
"""
