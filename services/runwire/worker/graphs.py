"""Users' graphs, as their langgraph.json names them: compiled graphs, StateGraphs and factories."""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import inspect
import json
import logging
import os
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, TypeAlias

from dotenv import load_dotenv
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph import StateGraph
from langgraph.pregel import Pregel
from langgraph.store.base import BaseStore

Compiled: TypeAlias = Pregel[Any, Any, Any, Any]

_log = logging.getLogger(__name__)

_NO_INDEX = "store.index of langgraph.json is not served: a query of a store's search ranks nothing"


class ProjectError(Exception):
    """A langgraph.json, or what it names, can't be used. The text says what to do."""


@dataclass(frozen=True, slots=True)
class Project:
    """What a langgraph.json says: where each graph is, what to import from, and the environment."""

    root: Path
    graphs: Mapping[str, str]
    dependencies: tuple[Path, ...]
    env: Mapping[str, str]
    env_file: Path | None

    @classmethod
    def read(cls, path: Path) -> Project:
        """Reads a langgraph.json. Raises ProjectError."""
        if not path.is_file():
            raise ProjectError(f"There is no {path}: set RUNWIRE_GRAPHS to the langgraph.json of your project.")
        try:
            content = json.loads(path.read_text("utf-8"))
            if (content.get("store") or {}).get("index"):
                _log.warning(_NO_INDEX, extra={"action": "index_not_served"})
            root = path.resolve().parent
            env = content.get("env", {})
            return cls(
                root=root,
                graphs={name: _import_path(name, spec) for name, spec in content["graphs"].items()},
                dependencies=tuple(root / d for d in content.get("dependencies", ["."]) if d.startswith(".")),
                env=env if isinstance(env, dict) else {},
                env_file=root / env if isinstance(env, str) and env else None,
            )
        except (ValueError, KeyError, AttributeError, TypeError) as error:
            raise ProjectError(f"{path} is not a langgraph.json: {error!r}.") from error

    def enter(self) -> None:
        """Makes the project's modules importable and its environment visible, as its graphs expect."""
        for dependency in (self.root, *self.dependencies):
            if str(dependency) not in sys.path:
                sys.path.insert(0, str(dependency))
        for key, value in self.env.items():
            os.environ.setdefault(key, str(value))
        if self.env_file is not None:
            load_dotenv(self.env_file)

    def load(self, name: str) -> Any:
        """Imports the object that a graph's name stands for. Raises ProjectError."""
        where, _, attribute = self.graphs[name].rpartition(":")
        try:
            return getattr(self._import(where), attribute)
        except AttributeError as error:
            raise ProjectError(f"Graph {name}: {where} has no {attribute}.") from error
        except Exception as error:
            raise ProjectError(f"Graph {name}: {where} can't be imported: {error!r}.") from error

    def _import(self, where: str) -> ModuleType:
        if not where.endswith(".py"):
            return importlib.import_module(where)
        file = (self.root / where).resolve()
        for base in (self.root, *self.dependencies):
            if file.is_relative_to(base.resolve()):
                name = ".".join(file.relative_to(base.resolve()).with_suffix("").parts)
                module = importlib.import_module(name)
                # Another package of that name may come first on the path.
                if module.__file__ and Path(module.__file__).resolve() == file:
                    return module
        spec = importlib.util.spec_from_file_location(f"_runwire_graph_{file.stem}", file)
        if spec is None or spec.loader is None:
            raise ImportError(f"{file} is not a Python file")
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
        return module


def _import_path(name: str, spec: Any) -> str:
    path = spec["path"] if isinstance(spec, dict) else spec
    where, _, attribute = path.rpartition(":")
    if not where or not attribute:
        raise ValueError(f"graph {name}: {path!r} is not of the form ./file.py:name or package.module:name")
    if where.endswith((".ts", ".js", ".mts", ".mjs")):
        raise ValueError(f"graph {name}: JavaScript graphs are not supported")
    return str(path)


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
        self, graph_id: str, config: Any, saver: BaseCheckpointSaver[str] | None, store: BaseStore | None
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


def _equipped(graph: Compiled, name: str, saver: BaseCheckpointSaver[str] | None, store: BaseStore | None) -> Compiled:
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
