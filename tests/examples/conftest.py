"""The example graphs, loaded from langgraph.json as a server does it, and given a checkpointer."""

import importlib.util
import json
import socket
import sys
from pathlib import Path
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.pregel import Pregel

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
sys.path.insert(0, str(EXAMPLES))  # what `"dependencies": ["."]` means

Graph = Pregel[Any, Any, Any, Any]


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make any attempt to reach a host fail the test."""

    def refuse(*_: object) -> None:
        raise AssertionError("an example used the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.fixture
def document() -> Graph:
    return load_graph("document")


@pytest.fixture
def chat() -> Graph:
    return load_graph("chat")


def load_graph(name: str) -> Graph:
    """Return a copy of the graph that has a checkpointer of its own."""
    path, attribute = json.loads((EXAMPLES / "langgraph.json").read_text())["graphs"][name].split(":")
    spec = importlib.util.spec_from_file_location(f"loaded_{name}", EXAMPLES / path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    graph: Graph = getattr(module, attribute)
    assert graph.checkpointer is None
    return graph.copy({"checkpointer": InMemorySaver()})
