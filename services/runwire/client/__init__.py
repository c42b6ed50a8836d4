"""The Python client: typed, asyncio and synchronous, on grpcio and protobuf alone.

    from runwire.client import connect, events

    async with connect() as client:
        question = {"messages": [{"role": "user", "content": "What is 17 * 23?"}]}
        async for event in client.runs.stream(None, "chat", input=question, stream_mode="messages"):
            match event:
                case events.MessageChunk(delta=text):
                    print(text, end="")
                case events.Finished(status=status):
                    print(status)

`connect_sync` has the same methods, blocking. What holds for all of them:

- Values are plain Python: dicts, datetimes, timedeltas, words for enums; `results` are frozen dataclasses.
- Lists are read page by page as you iterate. With asyncio, `await` brings a list: `await client.runs.list(limit=10)`.
- Streams mend broken connections by themselves and give each event once. Leaving one early ends the call; where that
  must happen at a given point, use `contextlib.aclosing` (`contextlib.closing` without asyncio).
- Calls are repeated where that is safe, as the contract's service config says. They end after 30 seconds, or as
  `client.with_options(timeout=5)` says; waiting for a run and streams have no such end.
- `connect(api_key=…)`, or `token=…` for what an identity provider gives, says who calls; `credentials=tls(…)` encrypts.
- A refused call is a `RunwireError` of the class of its code (see `errors`), with `reason`, `metadata`, `violations`
  and `retry_after`. A failed run is not a failed call: only `runs.wait` raises for it, `RunFailed`.
"""

from runwire.client import errors, events, results, words
from runwire.client.client import Client, SyncClient, channel_options, connect, connect_sync
from runwire.client.credentials import tls
from runwire.client.errors import RunFailed, RunwireError

__all__ = [
    "Client",
    "RunFailed",
    "RunwireError",
    "SyncClient",
    "channel_options",
    "connect",
    "connect_sync",
    "errors",
    "events",
    "results",
    "tls",
    "words",
]
