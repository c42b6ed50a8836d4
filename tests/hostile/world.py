"""Rows that exist, for requests to aim at: made through the contract, and made anew as requests wear them out."""

from __future__ import annotations

import json
from collections import defaultdict, deque
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from google.protobuf.message import Message

from runwire.api.dispatch.v1 import crons_pb2, runs_pb2, thread_state_pb2
from runwire.api.resource.v1 import assistants_pb2, store_pb2
from runwire.api.stream.v1 import stream_pb2
from runwire.api.type.v1 import run_pb2
from runwire.api.type.v1.json_pb2 import Json
from tests.hostile.calls import Caller

GRAPHS = ("echo", "gate", "steps", "chat", "nested")
"""Graphs that do little, whatever their input."""

_KINDS = {
    "thread_ids": "thread_id",
    "target_thread_id": "thread_id",
    "run_ids": "run_id",
    "namespace_prefix": "namespace",
    "prefix": "namespace",
    "suffix": "namespace",
}
_UNKNOWN = {
    "thread_id": ["fuzz-1", "fuzz-2", "fuzz-3", ""],
    "run_id": [str(uuid4()), ""],
    "assistant_id": ["fuzz-1", "fuzz-2", "nobody"],
    "graph_id": ["nothing"],
    "cron_id": ["fuzz-1", "fuzz-2"],
    "checkpoint_id": ["", "1efb7b8a-0000-6000-bfff-000000000000"],
    "checkpoint_ns": ["", "", "inner", "nowhere:1"],
    "namespace": ["fuzz", "users", "*"],
    "key": ["n", "s", "deep", "fuzz"],
}
_ROWS, _OTHERS = 6, 3


class World:
    """Ids by kind, and tokens by the message that takes them."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller
        self._known: dict[str, deque[str]] = defaultdict(lambda: deque(maxlen=12))
        self._tokens: dict[str, deque[str]] = defaultdict(lambda: deque(maxlen=12))

    def kind_of(self, field: str) -> str | None:
        """Which kind of id a field holds."""
        kind = _KINDS.get(field, field)
        return kind if kind in _UNKNOWN else None

    def pick(self, kind: str, number: int) -> str:
        """An id; three in four are of rows that exist."""
        known = self._known[kind]
        if number % 4 and known:
            return known[number % len(known)]
        return _UNKNOWN[kind][number % len(_UNKNOWN[kind])]

    def token(self, message: str, number: int) -> str:
        """A token or an event id that was given out for such a message; empty while there is none."""
        tokens = self._tokens[message]
        return tokens[number % len(tokens)] if tokens else ""

    def learn(self, request: type[Message], answer: Message) -> None:
        """Notes what an answer tells that later requests may use."""
        if token := getattr(answer, "next_page_token", ""):
            self._tokens[request.DESCRIPTOR.full_name].append(token)
        for event in getattr(answer, "events", ()):
            self._tokens[request.DESCRIPTOR.full_name].append(event.event_id)
        for field in ("run", "thread", "assistant", "cron"):
            made = getattr(answer, field, None)
            if made is not None:
                self._known[f"{field}_id"].append(getattr(made, f"{field}_id"))

    def refresh(self) -> None:
        """Makes rows of every kind."""
        self._known["graph_id"].extend(GRAPHS)
        self._known["namespace"].extend(("users", "notes"))
        for number in range(_ROWS):
            self._thread(GRAPHS[number % len(GRAPHS)])
        for _ in range(_OTHERS):
            self._assistant()
            self._cron()
        for namespace in (["users"], ["notes"], ["users", "notes"]):
            for key in ("n", "s"):
                self._do(store_pb2.PutItemRequest(namespace=namespace, key=key, value=_json({"n": 1, "s": "x"})))
                self._known["key"].append(key)

    def _thread(self, graph: str) -> None:
        thread_id = str(uuid4())
        value = {"messages": [{"role": "user", "content": "hi"}]} if graph == "chat" else {"text": "x", "count": 1}
        asked = runs_pb2.CreateRunRequest(
            thread_id=thread_id,
            assistant_id=graph,
            input=_json(value),
            if_thread_missing=runs_pb2.IF_THREAD_MISSING_CREATE,
            stream_modes=[run_pb2.STREAM_MODE_VALUES, run_pb2.STREAM_MODE_UPDATES],
        )
        run_id = self._do(asked).run.run_id
        self._do(stream_pb2.WaitRunRequest(run_id=run_id))
        self._known["thread_id"].append(thread_id)
        self._known["run_id"].append(run_id)
        self._do(stream_pb2.StreamRunRequest(run_id=run_id))
        self._do(stream_pb2.StreamThreadRequest(thread_id=thread_id, after_event_id="0"))
        history = self._do(thread_state_pb2.ListThreadHistoryRequest(thread_id=thread_id, page_size=2))
        for state in history.states:
            self._known["checkpoint_id"].append(state.checkpoint.checkpoint_id)
            self._known["checkpoint_ns"].append(state.checkpoint.checkpoint_ns)

    def _assistant(self) -> None:
        made = self._do(assistants_pb2.CreateAssistantRequest(graph_id="echo", name="fuzz"))
        changed = assistants_pb2.UpdateAssistantRequest(assistant_id=made.assistant.assistant_id, name="other")
        self._do(changed)
        self._known["assistant_id"].extend([made.assistant.assistant_id, "echo", "gate", "steps"])

    def _cron(self) -> None:
        run = runs_pb2.CreateRunRequest(assistant_id="echo", input=_json({"text": "x"}))
        self._do(crons_pb2.CreateCronRequest(schedule="0 0 1 1 *", run=run))

    def _do(self, request: Message) -> Any:
        answer = self._caller.call(request)
        self.learn(type(request), answer)
        return answer


def _json(value: Mapping[str, Any]) -> Json:
    return Json(text=json.dumps(value))
