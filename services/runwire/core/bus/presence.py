"""Whether Redis is there, as far as this process can tell."""

from __future__ import annotations

import asyncio
import logging
from urllib.parse import urlsplit

from redis.exceptions import RedisError

_log = logging.getLogger(__name__)

FAILURES = (RedisError, OSError, TimeoutError, RuntimeError)
"""What it looks like when it is not. uvloop says RuntimeError of a connection that broke while it was idle."""

_STEADY_SECONDS = 1


class Presence:
    """Whether Redis answers: said once when something fails, and once when nothing has failed for a second again."""

    def __init__(self, uri: str) -> None:
        # Without the account.
        self._server = urlsplit(uri).netloc.rpartition("@")[2]
        self._failed = 0
        self._back: asyncio.TimerHandle | None = None

    def failed(self, what: str, error: Exception) -> None:
        """Something that was asked of Redis got no answer, or was refused."""
        self._failed += 1
        self.close()
        if self._failed == 1:
            details = {"action": "redis_unavailable", "server": self._server, "what": what, "error": str(error)}
            _log.warning("redis can't be reached", extra=details)

    def answered(self) -> None:
        """Something was answered."""
        if self._failed and self._back is None:
            self._back = asyncio.get_running_loop().call_later(_STEADY_SECONDS, self._say_back)

    def close(self) -> None:
        """Says no more that Redis is back, unless it answers once more."""
        if self._back is not None:
            self._back.cancel()
            self._back = None

    def _say_back(self) -> None:
        details = {"action": "redis_back", "server": self._server, "failed": self._failed}
        _log.info("redis answers again", extra=details)
        self._failed, self._back = 0, None
