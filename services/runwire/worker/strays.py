"""What was claimed by a statement whose answer was lost: whoever made it gives it back, having not heard what it is."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta


class Strays:
    """Whether a lane may hold more than it knows of. A statement that nobody hears of is done within `lease`."""

    def __init__(self, lease: timedelta) -> None:
        self._lease = lease.total_seconds()
        self.until: float | None = None
        """When the last has come, by the loop's clock; None: none is left. It stays until they have been given back."""

    def expect(self) -> None:
        """A claim has failed: it may have been done, or be done yet."""
        self.until = asyncio.get_running_loop().time() + self._lease

    async def give_back(self, release: Callable[[], Awaitable[object]]) -> None:
        """Calls `release`, which gives back what the lane does not know, while there may be any."""
        if self.until is None:
            return
        # Only what begins after that time finds them all, and user code may have blocked this loop until long after it.
        is_last = asyncio.get_running_loop().time() >= self.until
        await release()
        if is_last:
            self.until = None
