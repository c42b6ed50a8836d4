"""What is repeated after a failure, how often and how soon."""

from __future__ import annotations

import random
from datetime import timedelta

from runwire.client.errors import DeadlineExceeded, Internal, RunwireError, Unavailable

_TRIES = 8
_FIRST_PAUSE_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 5.0


class Patience:
    """Bounded tries with growing pauses, in all some 15 seconds. Progress counts them anew."""

    def __init__(self) -> None:
        self._failures = 0

    def progress(self) -> None:
        """It works again."""
        self._failures = 0

    def pause(self, error: RunwireError) -> float:
        """Seconds to wait before the next try; raises the error when there is none."""
        if self._failures >= _TRIES or not _passing(error):
            raise error
        pause: float = min(_FIRST_PAUSE_SECONDS * 2**self._failures, _LONGEST_PAUSE_SECONDS)
        self._failures += 1
        asked = error.retry_after or timedelta(0)
        return max(pause * random.uniform(0.5, 1), asked.total_seconds())


def _passing(error: RunwireError) -> bool:
    """Whether the same call may succeed later. Broken connections come in several codes, without a reason of ours."""
    return isinstance(error, Unavailable) or (not error.reason and _is_network(error))


def _is_network(error: RunwireError) -> bool:
    return isinstance(error, Internal | DeadlineExceeded) or type(error) is RunwireError
