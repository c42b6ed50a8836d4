"""What provokes each documented answer of each RPC: a module a service, all of them in tables.

`SUCCESSES` has what an RPC answers when all is well, `ERRORS` what it refuses, by RPC and reason, `LISTINGS` lists that
are longer than a page. tests/contract/test_coverage.py compares the tables with the comments of the protos.
"""
