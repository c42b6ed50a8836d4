"""Dispatch: whatever makes a worker do something.

It creates runs and cancels them, asks workers for thread states, and turns the clockwork: dead workers' runs
are given back, lost wake-ups are repeated, old events are removed. It never executes a graph, holds nothing
between calls that Postgres does not have, and any number of replicas may run at once.
"""
