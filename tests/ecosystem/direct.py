"""The example projects without Runwire: loaded as Python loads them, run with LangGraph's own memory."""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from langgraph.checkpoint.memory import InMemorySaver
from langgraph.pregel import Pregel
from langgraph.store.memory import InMemoryStore

PROJECTS = Path(__file__).resolve().parents[2] / "examples" / "idioms"
NAMES = sorted(path.parent.name for path in PROJECTS.glob("*/langgraph.json"))

Graph = Pregel[Any, Any, Any, Any]


def config_of(project: str) -> dict[str, Any]:
    """What a project's langgraph.json says."""
    content: dict[str, Any] = json.loads((PROJECTS / project / "langgraph.json").read_text())
    return content


@contextmanager
def loaded(project: str, graph: str) -> Iterator[Graph]:
    """A graph of a project with a checkpointer and a store in memory; its modules are forgotten afterwards."""
    root, config = PROJECTS / project, config_of(project)
    named = config["graphs"][graph]
    where, _, attribute = (named["path"] if isinstance(named, dict) else named).rpartition(":")
    known, path, environment = set(sys.modules), list(sys.path), dict(os.environ)
    sys.path[:0] = [str(root), *(str(root / each) for each in config["dependencies"])]
    os.environ.update(_variables(root, config.get("env", {})))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = getattr(_module(root, where), attribute)
            yield _with_memory(found)
    finally:
        sys.path[:] = path
        os.environ.clear()
        os.environ.update(environment)
        for name in set(sys.modules) - known:
            if str(root) in (getattr(sys.modules[name], "__file__", None) or ""):
                del sys.modules[name]


def _module(root: Path, where: str) -> Any:
    if not where.endswith(".py"):
        return importlib.import_module(where)
    spec = importlib.util.spec_from_file_location("directly_loaded", root / where)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _variables(root: Path, env: Any) -> dict[str, str]:
    if isinstance(env, dict):
        return env
    return dict(line.split("=", 1) for line in (root / env).read_text().splitlines())


def _with_memory(found: Any) -> Graph:
    if callable(found) and not isinstance(found, Pregel):
        found = found()
    graph: Graph = found if isinstance(found, Pregel) else found.compile()
    return graph.copy({"checkpointer": InMemorySaver(), "store": InMemoryStore()})


def comparable(value: Any) -> Any:
    """A value as JSON, without the ids of messages, which are random."""
    return _without_message_ids(json.loads(json.dumps(value, default=lambda each: each.model_dump())))


def _without_message_ids(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_message_ids(each) for each in value]
    if isinstance(value, dict):
        dropped = {"id"} if "content" in value and "type" in value else set()
        return {key: _without_message_ids(each) for key, each in value.items() if key not in dropped}
    return value
