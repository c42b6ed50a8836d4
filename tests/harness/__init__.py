"""A whole Runwire for tests, and what a user does with it.

`platform` has the stubs and acts as a user; `in_process` and `processes` start all of it; `workers` has worker
processes that can be killed, stopped and drained; `refused` reads refusals.
"""
