"""Redis as far as events need it: PubSub at most once, in order on a connection, gone when the connection breaks."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Sequence
from typing import Any

from runwire.core.bus import Keys, Subscriptions
from runwire.core.bus.presence import Presence
from runwire.stream.batch import Malformed, parse
from tests.model.virtual_loop import VirtualLoop
from tests.model.weather import Weather

KEYS = Keys("simulated")


def contents(message: bytes) -> str:
    """What a message or a logged batch has, for the journal."""
    try:
        batch = parse(message)
    except Malformed:
        return repr(message)
    return f"{batch.claim}: {batch.first_seq} to {batch.last_seq}{', finished' if batch.finished else ''}"


class SimulatedRedis:
    """The server, and what a client of it has."""

    def __init__(self, loop: VirtualLoop, rng: random.Random, weather: Weather) -> None:
        self._loop = loop
        self._rng = rng
        self._weather = weather
        self.connections: list[SimulatedPubSub] = []
        self.published: list[tuple[float, str, bytes]] = []
        for moment in weather.cut_off:
            loop.call_at(moment, self._cut_off)
        for moment in weather.deaf:
            loop.call_at(moment, self._deafen)
        for begin, _ in weather.redis_away:
            loop.call_at(begin, self._cut_off)

    @property
    def is_away(self) -> bool:
        return any(begin <= self._loop.time() < end for begin, end in self._weather.redis_away)

    def travel(self) -> float:
        return self._weather.travel(self._rng)

    def pubsub(self) -> SimulatedPubSub:
        return SimulatedPubSub(self, self._loop)

    async def aclose(self) -> None:
        """As the client's."""

    async def publish(self, messages: Sequence[tuple[str, bytes]]) -> bool:
        """As Bus.publish: in order, one round trip."""
        await asyncio.sleep(self.travel())
        if self.is_away:
            return False
        fate = self._rng.random()
        if fate < self._weather.unheard:
            self._deliver(messages[: self._rng.randint(0, len(messages) - 1)])
            return False
        if fate < self._weather.unheard + self._weather.repeated:
            # The connection broke on the way; what was sent is sent again, perhaps before the first one is dealt with.
            first = messages[: self._rng.randint(0, len(messages))]
            self._loop.call_later(self._rng.choice([0.0, self._rng.uniform(0, 0.5)]), self._deliver, first)
        self._deliver(messages)
        await asyncio.sleep(self.travel())
        return True

    def _deliver(self, messages: Sequence[tuple[str, bytes]]) -> None:
        for channel, message in messages:
            self.published.append((self._loop.time(), channel, message))
            self._loop.note("published", channel, contents(message))
            for connection in self.connections:
                if channel in connection.channels:
                    connection.put("message", channel, message)

    def _cut_off(self) -> None:
        self._loop.note("subscribers cut off")
        for connection in tuple(self.connections):
            connection.break_off()

    def _deafen(self) -> None:
        self._loop.note("subscribers deaf")
        for connection in tuple(self.connections):
            connection.is_deaf = True
            self._loop.call_later(self._rng.uniform(1, 6), connection.break_off)


class SimulatedPubSub:
    """A subscriber's connection, as redis.asyncio has it."""

    def __init__(self, server: SimulatedRedis, loop: VirtualLoop) -> None:
        self._server = server
        self._loop = loop
        self._inbox: deque[tuple[float, dict[str, Any]]] = deque()
        self._arrived = asyncio.Event()
        self._last_arrival = 0.0
        self._last_command = 0.0
        self._is_connected = False
        self._is_broken = False
        self.is_deaf = False
        self.channels: set[str] = set()

    async def subscribe(self, *channels: str) -> None:
        await self._command(self._subscribed, sorted(channels))

    async def unsubscribe(self, *channels: str) -> None:
        await self._command(self._unsubscribed, sorted(channels))

    async def get_message(self, timeout: float) -> dict[str, Any] | None:
        until = self._loop.time() + timeout
        while True:
            if self._is_broken:
                raise ConnectionResetError("subscriber cut off")
            if self._inbox and self._inbox[0][0] <= self._loop.time():
                return self._inbox.popleft()[1]
            if self._loop.time() >= until:
                return None
            self._arrived.clear()
            next_arrival = self._inbox[0][0] if self._inbox else until
            timer = self._loop.call_at(min(until, next_arrival), self._arrived.set)
            await self._arrived.wait()
            timer.cancel()

    async def aclose(self) -> None:
        self.break_off()

    async def _command(self, effect: Any, channels: list[str]) -> None:
        if self._is_broken or self._server.is_away:
            raise ConnectionRefusedError("redis is away")
        if not self._is_connected:
            await asyncio.sleep(self._server.travel())
            self._is_connected = True
            self._server.connections.append(self)
        self._last_command = max(self._last_command, self._loop.time() + self._server.travel())
        self._loop.call_at(self._last_command, effect, channels)

    def _subscribed(self, channels: list[str]) -> None:
        for channel in channels:
            self.channels.add(channel)
            self.put("subscribe", channel, 1)

    def _unsubscribed(self, channels: list[str]) -> None:
        for channel in channels:
            self.channels.discard(channel)
            self.put("unsubscribe", channel, 1)

    def put(self, kind: str, channel: str, data: Any) -> None:
        """Something is on its way to the subscriber."""
        if self._is_broken or self.is_deaf:
            return
        self._last_arrival = max(self._last_arrival, self._loop.time() + self._server.travel())
        self._inbox.append((self._last_arrival, {"type": kind, "channel": channel.encode(), "data": data}))
        self._arrived.set()

    def break_off(self) -> None:
        """What has not been read is lost."""
        self._is_broken = True
        self._arrived.set()
        if self in self._server.connections:
            self._server.connections.remove(self)


class SimulatedBus:
    """What Stream and a worker's outbox need of the bus."""

    def __init__(self, redis: SimulatedRedis) -> None:
        self._redis = redis
        self.keys = KEYS

    def subscriptions(self) -> Subscriptions:
        """The product's, on the simulated server."""
        return Subscriptions(self._redis, Presence("redis://simulated"))  # type: ignore[arg-type]

    async def publish(self, messages: Sequence[tuple[str, bytes]]) -> bool:
        """As Bus.publish."""
        return await self._redis.publish(messages)
