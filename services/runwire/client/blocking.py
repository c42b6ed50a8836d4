"""The synchronous client: the asyncio one on a wire that never suspends, each coroutine run to its end in one step."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Coroutine, Generator
from functools import update_wrapper, wraps
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar, cast

from runwire.client.assistants import Assistants
from runwire.client.crons import Crons
from runwire.client.runs import Runs
from runwire.client.store import Store
from runwire.client.threads import Threads
from runwire.client.workers import Workers

P = ParamSpec("P")
T = TypeVar("T")
S = TypeVar("S")


class Blocking(Generic[S]):
    """A part of the asyncio client, made synchronous."""

    def __init__(self, inner: S) -> None:
        self.inner = inner


class calling(Generic[S, P, T]):  # noqa: N801
    """A method that returns what the coroutine would."""

    def __init__(self, method: Callable[Concatenate[S, P], Coroutine[Any, Any, T]]) -> None:
        self._method = method
        update_wrapper(cast(Any, self), method)

    def __get__(self, instance: Blocking[S], owner: object = None) -> Callable[P, T]:
        if instance is None:
            return cast(Any, self._method)  # type: ignore[unreachable]

        @wraps(self._method.__get__(instance.inner))
        def call(*args: P.args, **kwargs: P.kwargs) -> T:
            return _finish(self._method(instance.inner, *args, **kwargs))

        return call


class iterating(Generic[S, P, T]):  # noqa: N801
    """A method that returns an iterator of what the asynchronous one would bring. Closing it ends the call."""

    def __init__(self, method: Callable[Concatenate[S, P], AsyncIterable[T]]) -> None:
        self._method = method
        update_wrapper(cast(Any, self), method)

    def __get__(self, instance: Blocking[S], owner: object = None) -> Callable[P, Generator[T, None, None]]:
        if instance is None:
            return cast(Any, self._method)  # type: ignore[unreachable]

        @wraps(self._method.__get__(instance.inner))
        def call(*args: P.args, **kwargs: P.kwargs) -> Generator[T, None, None]:
            return _walk(self._method(instance.inner, *args, **kwargs))

        return call


class SyncAssistants(Blocking[Assistants]):
    """`Assistants`, blocking; lists are iterators."""

    get = calling(Assistants.get)
    get_graph = calling(Assistants.get_graph)
    get_schemas = calling(Assistants.get_schemas)
    get_subgraphs = iterating(Assistants.get_subgraphs)
    create = calling(Assistants.create)
    update = calling(Assistants.update)
    delete = calling(Assistants.delete)
    search = iterating(Assistants.search)
    count = calling(Assistants.count)
    get_versions = iterating(Assistants.get_versions)
    set_latest = calling(Assistants.set_latest)


class SyncThreads(Blocking[Threads]):
    """`Threads`, blocking; lists and streams are iterators."""

    get = calling(Threads.get)
    create = calling(Threads.create)
    update = calling(Threads.update)
    delete = calling(Threads.delete)
    search = iterating(Threads.search)
    count = calling(Threads.count)
    copy = calling(Threads.copy)
    prune = calling(Threads.prune)
    get_state = calling(Threads.get_state)
    get_history = iterating(Threads.get_history)
    update_state = calling(Threads.update_state)
    bulk_update_state = calling(Threads.bulk_update_state)
    join_stream = iterating(Threads.join_stream)


class SyncRuns(Blocking[Runs]):
    """`Runs`, blocking; lists and streams are iterators."""

    create = calling(Runs.create)
    create_batch = calling(Runs.create_batch)
    stream = iterating(Runs.stream)
    wait = calling(Runs.wait)
    join = calling(Runs.join)
    join_stream = iterating(Runs.join_stream)
    list = iterating(Runs.list)
    count = calling(Runs.count)
    get = calling(Runs.get)
    cancel = calling(Runs.cancel)
    cancel_many = calling(Runs.cancel_many)
    delete = calling(Runs.delete)
    list_webhook_deliveries = iterating(Runs.list_webhook_deliveries)


class SyncCrons(Blocking[Crons]):
    """`Crons`, blocking; lists are iterators."""

    create = calling(Crons.create)
    create_for_thread = calling(Crons.create_for_thread)
    get = calling(Crons.get)
    update = calling(Crons.update)
    delete = calling(Crons.delete)
    search = iterating(Crons.search)
    count = calling(Crons.count)


class SyncStore(Blocking[Store]):
    """`Store`, blocking; lists are iterators."""

    put_item = calling(Store.put_item)
    get_item = calling(Store.get_item)
    delete_item = calling(Store.delete_item)
    search_items = iterating(Store.search_items)
    list_namespaces = iterating(Store.list_namespaces)


class SyncWorkers(Blocking[Workers]):
    """`Workers`, blocking; lists are iterators."""

    search = iterating(Workers.search)


def _finish(step: Awaitable[T]) -> T:
    try:
        next(step.__await__())
    except StopIteration as end:
        return cast(T, end.value)
    raise RuntimeError("a blocking call has waited for an event loop")


def _walk(items: AsyncIterable[T]) -> Generator[T, None, None]:
    source = cast(AsyncGenerator[T, None], items.__aiter__())
    try:
        while True:
            try:
                item = _finish(source.__anext__())
            except StopAsyncIteration:
                return
            yield item
    finally:
        _finish(source.aclose())
