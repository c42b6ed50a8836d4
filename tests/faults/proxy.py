"""A TCP proxy that breaks its connections in every way a network has.

A `Link` stands between one client and one server. What arrives goes through `Pair.pass_on`, which does to it what the
link's faults say; without a fault a byte costs one write.
"""

from __future__ import annotations

import asyncio
import random
import socket
import struct
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast
from urllib.parse import urlsplit, urlunsplit

_RESET = struct.pack("ii", 1, 0)
_BUFFER = 1 << 20


@dataclass(slots=True)
class Weather:
    """What happens to what is passed on. `hold`: kept, and delivered when the hold ends. `lose`: gone for good.

    `loses_answer` says whether the next answer is lost, and its connection reset, though the server did what it was
    asked for.
    """

    delay: float = 0.0
    loses_answer: Callable[[], bool] = lambda: False
    hold: bool = False
    lose: bool = False
    refuse: bool = False


class Side(asyncio.Protocol):
    """One end of a pair. What it reads goes to the other end, in order."""

    def __init__(self, pair: Pair) -> None:
        self.pair = pair
        self.transport: asyncio.Transport | None = None
        self.waiting: deque[tuple[float, bytes | None]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The pair begins to work when both ends are there."""
        self.transport = cast(asyncio.Transport, transport)
        self.transport.set_write_buffer_limits(high=_BUFFER)
        self.pair.made(self)

    def data_received(self, data: bytes) -> None:
        """From the far end of this side."""
        self.pair.pass_on(self, data)

    def eof_received(self) -> bool:
        """The other end hears of it behind the data."""
        self.pair.pass_on(self, None)
        return not self.pair.lost_for_good and not self.pair.has_broken

    def connection_lost(self, exc: Exception | None) -> None:
        """The other end goes as well, unless the pair has lost something."""
        self.pair.lost(self, exc)

    def pause_writing(self) -> None:
        """This end takes no more for now."""
        self.pair.other(self).pause(True)

    def resume_writing(self) -> None:
        """And now it does."""
        self.pair.other(self).pause(False)

    @property
    def is_open(self) -> bool:
        """Whether its far end is connected, as far as that end knows."""
        return self.transport is not None and not self.transport.is_closing()

    def pause(self, paused: bool) -> None:
        """Reads, or not."""
        if self.transport is not None and self.is_open:
            (self.transport.pause_reading if paused else self.transport.resume_reading)()

    def send(self, data: bytes | None, delay: float, hold: bool) -> None:
        """To this side's far end, `delay` seconds from now and behind what waits."""
        if not self.waiting and not delay and not hold:
            self._write(data)
            return
        due = asyncio.get_running_loop().time() + delay
        self.waiting.append((max(due, self.waiting[-1][0]) if self.waiting else due, data))
        if not hold:
            self.flush()

    def flush(self) -> None:
        """Sends what is due, and sees to the rest."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        loop = asyncio.get_running_loop()
        while self.waiting and not self.pair.link.weather.hold:
            due, data = self.waiting[0]
            if due > loop.time():
                self._timer = loop.call_at(due, self.flush)
                return
            self.waiting.popleft()
            self._write(data)

    def _write(self, data: bytes | None) -> None:
        if self.transport is None or not self.is_open:
            return
        if data is None:
            self.transport.close()
        else:
            self.transport.write(data)

    def reset(self) -> None:
        """What a peer sees of a machine that has forgotten the connection: RST."""
        self.waiting.clear()
        if self.transport is not None and self.is_open:
            found: socket.socket = self.transport.get_extra_info("socket")
            found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            self.transport.abort()


class Pair:
    """A connection through the proxy."""

    def __init__(self, link: Link) -> None:
        self.link = link
        self.near, self.far = Side(self), Side(self)
        self._early: list[bytes | None] = []
        # Nothing gets through any more, and neither end hears why.
        self.lost_for_good = False
        # An end is gone.
        self.has_broken = False
        # Bytes of the server's that still get through before both ends are reset; None: no such limit.
        self.cut_after: int | None = None

    def other(self, side: Side) -> Side:
        """The opposite end."""
        return self.far if side is self.near else self.near

    def made(self, side: Side) -> None:
        """One end is there."""
        if side is self.near:
            self.link.accepted(self)
        elif self.has_broken:
            # The client went while its server was dialled, and nobody else knows of this end.
            self.far.reset()
        else:
            early, self._early = self._early, []
            for data in early:
                self.pass_on(self.near, data)

    def pass_on(self, side: Side, data: bytes | None) -> None:
        """From one end to the other, if the weather lets it."""
        weather = self.link.weather
        if self.lost_for_good or weather.lose:
            self.lost_for_good = True
            self.link.harmed += 1
            return
        if side is self.near and self.far.transport is None:
            self._early.append(data)
            return
        if side is self.far and weather.loses_answer():
            self.link.harmed += 1
            self.reset()
            return
        if side is self.far and self.cut_after is not None and data is not None:
            passed, self.cut_after = data[: self.cut_after], max(0, self.cut_after - len(data))
            if self.cut_after == 0:
                self.link.harmed += 1
                if passed:
                    self.near.send(passed, 0, False)
                self.reset()
                return
        self.link.harmed += bool(weather.delay or weather.hold)
        self.other(side).send(data, weather.delay, weather.hold)

    def lost(self, side: Side, error: Exception | None) -> None:
        """One end is gone."""
        self.has_broken = True
        other = self.other(side)
        if not self.lost_for_good:
            if error is not None:
                other.reset()
            else:
                other.send(None, self.link.weather.delay, self.link.weather.hold)
        if not self.near.is_open and not self.far.is_open:
            self.link.pairs.discard(self)

    def reset(self) -> None:
        """Both ends are reset."""
        self.has_broken = True
        self.near.reset()
        self.far.reset()
        self.link.pairs.discard(self)


class Link:
    """All connections of one client to one server, through a port of its own."""

    def __init__(self, name: str, host: str, port: int) -> None:
        self.name = name
        self.pairs: set[Pair] = set()
        self.weather = Weather()
        self.busy = False
        """A fault has it in hand, and ends its weather."""
        self.harmed = 0
        """How often something came to harm: a connection, or what was to pass."""
        self.port = 0
        self._target = (host, port)
        self._server: asyncio.Server | None = None
        self._dials: set[asyncio.Task[None]] = set()

    async def open(self) -> Link:
        """Listens on a free port."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: Pair(self).near, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def close(self) -> None:
        """Breaks everything, for good."""
        if self._server is not None:
            self._server.close()
        self.reset(lambda: True)

    @property
    def clients(self) -> int:
        """Connections that the client has."""
        return sum(pair.near.is_open for pair in self.pairs)

    @property
    def address(self) -> str:
        """Where to connect to."""
        return f"127.0.0.1:{self.port}"

    def uri(self, uri: str) -> str:
        """The same URI by way of this link."""
        parts = urlsplit(uri)
        return urlunsplit(parts._replace(netloc=f"{parts.netloc.rpartition('@')[0]}@{self.address}"))

    def accepted(self, pair: Pair) -> None:
        """A client is there: its server is dialled."""
        if self.weather.refuse:
            self.harmed += 1
            pair.near.reset()
            return
        self.pairs.add(pair)
        task = asyncio.get_running_loop().create_task(self._dial(pair))
        self._dials.add(task)
        task.add_done_callback(self._dials.discard)

    async def _dial(self, pair: Pair) -> None:
        try:
            await asyncio.get_running_loop().create_connection(lambda: pair.far, *self._target)
        except OSError:
            pair.reset()

    # Faults

    def reset(self, chosen: Callable[[], bool]) -> int:
        """Resets those connections for which `chosen` says so; the answer is how many."""
        victims = [pair for pair in self.pairs if chosen()]
        for pair in victims:
            pair.reset()
        self.harmed += len(victims)
        return len(victims)

    def half_open(self, chosen: Callable[[], bool], rng: random.Random) -> int:
        """One end is reset, and the other does not hear of it: until it is calm, what it sends is lost."""
        victims = [pair for pair in self.pairs if chosen()]
        for pair in victims:
            pair.lost_for_good = True
            (pair.far if rng.random() < 0.7 else pair.near).reset()
        return len(victims)

    def cut_after(self, chosen: Callable[[], bool], size: int) -> int:
        """Resets a connection when `size` more bytes of the server's have come."""
        victims = [pair for pair in self.pairs if chosen()]
        for pair in victims:
            pair.cut_after = size
        return len(victims)

    def hold(self, on: bool) -> None:
        """Nothing gets through while it is on, and all of it when it ends."""
        self.weather.hold = on
        if not on:
            for pair in tuple(self.pairs):
                pair.near.flush()
                pair.far.flush()

    def calm(self) -> None:
        """Good weather. Connections that have lost something are reset."""
        self.weather = Weather()
        for pair in tuple(self.pairs):
            pair.cut_after = None
            if pair.lost_for_good:
                pair.reset()
        self.hold(False)
