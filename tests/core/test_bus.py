"""The bus never fails because Redis does, however a connection breaks."""

from __future__ import annotations

import asyncio
from uuid import uuid4

from runwire.core.bus import Bus
from runwire.core.ids import RunKey
from runwire.core.lifetime import runner
from runwire.core.settings import Settings
from runwire.embedded import Servers


async def _use(settings: Settings) -> None:
    async with Bus(settings) as bus:
        for _ in range(5):
            assert await bus.publish([("channel", b"")])
            for connection in bus._redis.connection_pool._available_connections:
                # As when the other end resets it: uvloop has closed the handle, and the pool does not know yet.
                assert connection._writer is not None
                connection._writer.transport.abort()
            ((attempts, _),) = await bus.begin_attempts([RunKey("default", uuid4())])
            assert attempts == 1


def test_a_connection_that_broke_while_it_was_idle_is_no_failure(servers: Servers) -> None:
    settings = Settings(database_uri="postgresql://nowhere", redis_uri=servers.redis_uri, redis_prefix="bus")
    with runner() as loop:
        loop.run(_use(settings))


async def _wake_forever(bus: Bus) -> None:
    while True:
        await bus.wake(["graph"])


async def _cancel_at(steps: int, bus: Bus) -> bool:
    """Cancels a task that uses the bus after so many turns of the loop; whether it has ended."""
    task = asyncio.create_task(_wake_forever(bus))
    for _ in range(steps):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task], timeout=1)
    return task.done()


async def test_a_task_that_is_cancelled_in_a_command_ends(servers: Servers) -> None:
    settings = Settings(database_uri="postgresql://nowhere", redis_uri=servers.redis_uri, redis_prefix="bus")
    async with Bus(settings) as bus:
        assert all([await _cancel_at(steps, bus) for steps in range(60)])
