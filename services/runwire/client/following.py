"""Following runs: broken streams are taken up again after the last event that arrived."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import grpc

from runwire.client.errors import RunwireError, Unavailable
from runwire.client.events import Event, Finished, Heartbeat, event_of
from runwire.client.patience import Patience
from runwire.client.wire import Wire


async def follow(
    wire: Wire, method: grpc.UnaryStreamMultiCallable[Any, Any], request: Any, *, heartbeats: bool
) -> AsyncGenerator[Event, None]:
    """The events of `method`, for as long as the caller wants them.

    A break is mended by calling again with the last event id, so each event comes once. RunwireError when the server
    refuses, or stays away for longer than `Patience` allows.
    """
    patience = Patience()
    while True:
        try:
            async with aclosing(wire.stream(method, request)) as responses:
                async for response in responses:
                    patience.progress()
                    for message in response.events:
                        request.after_event_id = message.event_id or request.after_event_id
                        event = event_of(message)
                        if heartbeats or not isinstance(event, Heartbeat):
                            yield event
            broken: RunwireError = Unavailable("the stream ended too early")
        except RunwireError as error:
            broken = error
        await wire.sleep(patience.pause(broken))


async def follow_run(
    wire: Wire, method: grpc.UnaryStreamMultiCallable[Any, Any], request: Any, *, heartbeats: bool
) -> AsyncGenerator[Event, None]:
    """As `follow`, up to and with `Finished`."""
    async with aclosing(follow(wire, method, request, heartbeats=heartbeats)) as events:
        async for event in events:
            yield event
            if isinstance(event, Finished):
                return
