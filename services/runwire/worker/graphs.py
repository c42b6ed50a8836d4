"""Users' graphs, as their langgraph.json names them: compiled graphs, StateGraphs and factories."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager
from typing import Any, TypeAlias

from langgraph.graph import StateGraph
from langgraph.pregel import Pregel
from langgraph.store.base import BaseStore

from runwire.core.project import Project, ProjectError
from runwire.worker.checkpoint import RunwireSaver

Compiled: TypeAlias = Pregel[Any, Any, Any, Any]


class Graphs:
    """The loaded graphs. `made` gives each run its own copy with checkpointer and store put in."""

    def __init__(self, loaded: Mapping[str, Any]) -> None:
        self._loaded = {name: _compiled(name, found) for name, found in loaded.items()}

    @classmethod
    def of(cls, project: Project) -> Graphs:
        """Loads all graphs of a project. Raises ProjectError."""
        project.enter()
        return cls({name: project.load(name) for name in project.graphs})

    @property
    def ids(self) -> list[str]:
        """The names of all graphs."""
        return sorted(self._loaded)

    @asynccontextmanager
    async def made(
        self, graph_id: str, config: Any, saver: RunwireSaver | None, store: BaseStore | None
    ) -> AsyncIterator[Compiled]:
        """A graph to run once: a compiled one, or what its factory makes of the config."""
        found = self._loaded[graph_id]
        if isinstance(found, Pregel):
            yield _equipped(found, graph_id, saver, store)
            return
        async with _opened(found, config) as product:
            compiled = _compiled(graph_id, product)
            if not isinstance(compiled, Pregel):
                raise ProjectError(f"Graph {graph_id}: its factory returned {type(product).__name__}, not a graph.")
            yield _equipped(compiled, graph_id, saver, store)


def _compiled(name: str, found: Any) -> Compiled | Callable[..., Any]:
    if isinstance(found, Pregel):
        return found
    if isinstance(found, StateGraph):
        return found.compile(name=name)
    if callable(found):
        factory: Callable[..., Any] = found
        return factory
    raise ProjectError(f"Graph {name} is a {type(found).__name__}, not a graph, a StateGraph or a factory of one.")


def _equipped(graph: Compiled, name: str, saver: RunwireSaver | None, store: BaseStore | None) -> Compiled:
    if saver is not None:
        saver.channels = graph.channels
    return graph.copy({"checkpointer": saver, "store": store, "name": graph.name or name})


@asynccontextmanager
async def _opened(factory: Callable[..., Any], config: Any) -> AsyncIterator[Any]:
    product = factory(config) if inspect.signature(factory).parameters else factory()
    if isinstance(product, AbstractAsyncContextManager):
        async with product as opened:
            yield opened
    elif isinstance(product, AbstractContextManager):
        with product as opened:
            yield opened
    elif asyncio.iscoroutine(product):
        yield await product
    else:
        yield product
