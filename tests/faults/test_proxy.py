"""The proxy breaks connections in the ways that it says."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from tests.faults.proxy import Link


@asynccontextmanager
async def echoing() -> AsyncIterator[Link]:
    """A link to a server that answers each line with itself."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while line := await reader.readline():
                writer.write(line)
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    link = await Link("echo", "127.0.0.1", server.sockets[0].getsockname()[1]).open()
    try:
        yield link
    finally:
        await link.close()
        server.close()


@asynccontextmanager
async def dialled(link: Link) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A client."""
    reader, writer = await asyncio.open_connection("127.0.0.1", link.port)
    try:
        yield reader, writer
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


@asynccontextmanager
async def talking(link: Link) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A client that has had an answer."""
    async with dialled(link) as (reader, writer):
        writer.write(b"hello\n")
        async with asyncio.timeout(10):
            assert await reader.readline() == b"hello\n"
        yield reader, writer


async def test_a_reset_connection_breaks_and_the_next_one_works() -> None:
    async with echoing() as link, talking(link) as (reader, _):
        assert link.reset(lambda: True) == 1
        with pytest.raises(ConnectionResetError):
            await reader.readline()
        async with talking(link):
            pass


async def test_what_is_held_comes_later_and_in_order() -> None:
    async with echoing() as link, talking(link) as (reader, writer):
        link.hold(True)
        writer.write(b"a\nb\n")
        link.weather.delay = 0.05
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await reader.readline()
        link.calm()
        async with asyncio.timeout(10):
            assert [await reader.readline() for _ in range(2)] == [b"a\n", b"b\n"]


async def test_a_black_hole_takes_all_and_its_connections_are_reset_when_it_ends() -> None:
    async with echoing() as link, talking(link) as (reader, writer):
        link.weather.lose = True
        writer.write(b"lost\n")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await reader.readline()
        link.calm()
        with pytest.raises(ConnectionResetError):
            await reader.readline()


async def test_an_answer_is_lost_though_the_server_got_the_question() -> None:
    async with echoing() as link, talking(link) as (reader, writer):
        link.weather.loses_answer = lambda: True
        writer.write(b"done\n")
        with pytest.raises(ConnectionResetError):
            await reader.readline()


async def test_an_answer_is_cut_in_the_middle() -> None:
    async with echoing() as link, talking(link) as (reader, writer):
        link.cut_after(lambda: True, 3)
        writer.write(b"abcdef\n")
        assert await reader.read(100) in (b"abc", b"")
        with pytest.raises(ConnectionResetError):
            await reader.readline()


async def test_half_open_the_client_hears_nothing() -> None:
    async with echoing() as link, talking(link) as (reader, writer):
        assert link.half_open(lambda: True, random.Random(1)) == 1
        writer.write(b"anybody?\n")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await reader.readline()


async def test_half_open_ends_when_it_is_calm() -> None:
    async with echoing() as link, talking(link) as (reader, _):
        link.half_open(lambda: True, random.Random(1))
        link.calm()
        with pytest.raises(ConnectionResetError):
            async with asyncio.timeout(10):
                await reader.readline()


async def test_connections_are_refused_for_a_while() -> None:
    async with echoing() as link:
        link.weather.refuse = True
        async with dialled(link) as (reader, writer):
            writer.write(b"hello\n")
            assert await _ends(reader)
        link.calm()
        async with talking(link):
            pass


async def _ends(reader: asyncio.StreamReader) -> bool:
    try:
        return await reader.readline() == b""
    except ConnectionResetError:
        return True


async def test_a_server_that_was_being_dialled_for_a_broken_connection_is_let_go() -> None:
    ended = asyncio.Event()

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            await reader.read()
        writer.close()
        ended.set()

    server = await asyncio.start_server(listen, "127.0.0.1", 0)
    link = await Link("silent", "127.0.0.1", server.sockets[0].getsockname()[1]).open()
    async with dialled(link):
        async with asyncio.timeout(10):
            while not link.reset(lambda: True):
                await asyncio.sleep(0)
            await ended.wait()
    await link.close()
    server.close()
