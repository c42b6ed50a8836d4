"""Postgres and Redis for a machine that has none.

Owns their programs, files, accounts, ports and processes. Never knows what is stored in them, and no other
part of Runwire needs it: with DATABASE_URI and REDIS_URI set it stays unused.
"""

from runwire.embedded.errors import EmbeddedError
from runwire.embedded.postgres import Postgres
from runwire.embedded.redis import Redis
from runwire.embedded.servers import Servers, running

__all__ = ["EmbeddedError", "Postgres", "Redis", "Servers", "running"]
