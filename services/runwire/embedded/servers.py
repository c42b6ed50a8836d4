"""Both servers together, for a command that needs them for as long as it runs."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from runwire.embedded.errors import EmbeddedError
from runwire.embedded.postgres import Postgres
from runwire.embedded.redis import Redis
from runwire.embedded.server import Server

_BORROW_LIMIT = 120.0  # seconds; the other process may be making its database


@dataclass(frozen=True, slots=True, kw_only=True)
class Servers:
    """Where Postgres and Redis are, passwords included."""

    database_uri: str
    redis_uri: str


@asynccontextmanager
async def running(
    state_dir: Path, *, durable: bool = True, database_uri: str | None = None, redis_uri: str | None = None
) -> AsyncIterator[Servers]:
    """Postgres and Redis, ready for use; a URI that is given stands for a server that is not started here.

    When another process runs the servers of this state folder already, they are borrowed: this call waits
    until they answer and stops nothing at its end, and they end when their owner ends.
    EmbeddedError says what is missing.
    """
    async with AsyncExitStack() as stack:
        yield Servers(
            redis_uri=redis_uri or await _enter(Redis(state_dir, durable=durable), stack, durable),
            database_uri=database_uri or await _enter(Postgres(state_dir, durable=durable), stack, durable),
        )


async def _enter(server: Server, stack: AsyncExitStack, durable: bool) -> str:
    """Starts or borrows the server and leaves to `stack` what must be undone; the answer is its address."""
    try:
        async with asyncio.timeout(_BORROW_LIMIT):
            while not await server.try_start():
                if await server.is_answering():
                    return server.uri
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise EmbeddedError(
            f"Another process holds {server.home.state_dir} but its {server.word} does not answer: stop that process."
        ) from None
    if not durable:
        stack.callback(server.home.remove_if_outside)
    stack.push_async_callback(server.stop)
    return server.uri
