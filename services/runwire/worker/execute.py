"""One attempt of one run: from its claim to its ending."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from langgraph.pregel import Pregel
from langgraph.store.base import TTLConfig
from langgraph.types import Command, Durability, Send, StateSnapshot

from runwire.api.dispatch.v1.runs_pb2 import CreateRunRequest
from runwire.api.type.v1 import run_pb2
from runwire.core import jsons
from runwire.core.errors import CheckpointNotFound
from runwire.core.ids import RunKey
from runwire.core.postgres import Pool
from runwire.core.sql import load
from runwire.worker.applied import Applied, answered_in
from runwire.worker.breakpoints import Breakpoints
from runwire.worker.checkpoint import RunwireSaver
from runwire.worker.checkpoint_pool import RetryingPool
from runwire.worker.chunks import INTERRUPT, MODES, Chunks, is_function, shows_values, without_interrupts
from runwire.worker.claims import ClaimedRun, Ending
from runwire.worker.command_writes import replaced_by
from runwire.worker.events import RunEvents, error_of
from runwire.worker.fence import StaleClaim, StorageUnavailable
from runwire.worker.graphs import Graphs
from runwire.worker.interrupts import Places, messages_of, places_in, rows_of
from runwire.worker.outbox import Outbox
from runwire.worker.store import RunwireStore

_log = logging.getLogger(__name__)

SQL = load(__file__)

current_run: ContextVar[RunKey | None] = ContextVar("current_run", default=None)
"""The run that the code of this context belongs to; threads that it starts through the loop are known by it."""

_DURABILITY: Mapping[int, Durability] = {
    run_pb2.DURABILITY_SYNC: "sync",
    run_pb2.DURABILITY_ASYNC: "async",
    run_pb2.DURABILITY_EXIT: "exit",
}


class Retry(Exception):
    """The attempt failed for a transient reason, and the run may be tried again."""


@dataclass(slots=True)
class Progress:
    """What has been seen of a graph's run so far."""

    values: Any = None
    seen_values: bool = False
    interrupts: list[Any] = field(default_factory=list)
    places: Places = field(default_factory=dict)
    paused: bool = False


class Attempt:
    """Executes a claimed run's graph and says how it ended."""

    def __init__(
        self, run: ClaimedRun, graphs: Graphs, pool: Pool, outbox: Outbox, item_ttl: TTLConfig | None = None
    ) -> None:
        self.run = run
        self.events = RunEvents(run, outbox)
        self._graphs = graphs
        self._outbox = outbox
        self._pool = RetryingPool(pool)
        self._saver = RunwireSaver(pool, fence=run.fence, keys=run.thread_keys)
        self._store = RunwireStore(pool, tenant=run.tenant, ttl=item_ttl)
        self._progress = Progress()
        self._graph: Pregel[Any, Any, Any, Any] | None = None

    async def execute(self) -> Ending:
        """Runs the graph to its end, its pause or its failure.

        Raises StaleClaim when the run is not ours any more, Retry when it may be tried again, CancelledError when
        cancelled.
        """
        current_run.set(self.run.key)
        self.events.started()
        try:
            await self._drive()
        except (StaleClaim, asyncio.CancelledError):
            raise
        except StorageUnavailable as error:
            raise Retry from error
        except (Exception, SystemExit, KeyboardInterrupt) as error:
            if isinstance(error.__cause__, StaleClaim):
                raise error.__cause__ from None
            return self.failed(*error_of(error))
        return self._ended()

    def failed(self, error_type: str, message: str, status: str = "error") -> Ending:
        """An ending by failure, with the state as far as it is known."""
        return Ending(status=status, values=self._values_text(), error_type=error_type, error_message=message)

    def cancelled(self) -> Ending:
        """An ending by cancel."""
        return Ending(status="cancelled", values=self._values_text())

    def _ended(self) -> Ending:
        progress = self._progress
        if progress.paused:
            self.events.interrupted(messages_of(progress.interrupts, progress.places))
        interrupts = rows_of(progress.interrupts, progress.places)
        output, values = self._output(), self._values_text()
        return Ending(
            status="interrupted" if progress.paused else "success",
            output=output if output is not None else "null",
            values=None if values == output else values,
            interrupts=jsons.dumps(interrupts),
        )

    def _values_text(self) -> str | None:
        return jsons.dumps(self._progress.values) if self._progress.seen_values else None

    def _output(self) -> str | None:
        if not self._progress.seen_values or self._graph is None:
            return None
        if self._progress.paused and is_function(self._graph):
            # It has returned nothing yet; the values are what the thread's call before returned.
            return None
        values, channels = self._progress.values, self._graph.output_channels
        if isinstance(values, dict) and not isinstance(channels, str):
            values = {key: values[key] for key in channels if key in values}
        return jsons.dumps(values)

    async def _drive(self) -> None:
        request = self.run.request
        applied = await self._applied() if self.run.claim > 1 else Applied()
        self._saver.is_answered = applied.answered
        config = run_config(self.run, {} if applied.moved else await self._fork())
        chunks = Chunks(self.events)
        asked = [MODES[mode] for mode in request.stream_modes]
        # The values tell the output and the updates tell a pause: both are needed, asked for or not.
        modes: Any = list({*asked, "values", "updates"})
        async with self._graphs.made(self.run.graph_id, config, self._saver, self._store) as graph:
            self._graph = graph
            paused = await self._paused(graph) if self.run.claim > 1 else None
            work = self._input(applied)
            if isinstance(work, Command):
                self._saver.replaced.update(replaced_by(work, graph.channels))
            stream = _standing_at(paused) if paused else self._stream(graph, config, modes, work)
            async for item in stream:
                namespace, mode, chunk = item if len(item) == 3 else ((), *item)
                if not namespace:
                    self._note(mode, chunk)
                if mode in asked:
                    chunks.emit(mode, namespace, chunk)
                await self._outbox.room()
            if self._progress.interrupts:
                self._progress.places = await self._places(graph)
            if not self._progress.seen_values:
                snapshot = await graph.aget_state(run_config(self.run, {}))
                self._progress.values, self._progress.seen_values = snapshot.values, True

    def _stream(self, graph: Pregel[Any, Any, Any, Any], config: Any, modes: Any, work: Any) -> AsyncIterator[Any]:
        request = self.run.request
        return graph.astream(
            work,
            config,
            context=_context(request),
            stream_mode=modes,
            interrupt_before=_breakpoints(request, "interrupt_before"),
            interrupt_after=_breakpoints(request, "interrupt_after"),
            durability=_DURABILITY.get(request.durability, "async"),
            subgraphs=request.stream_subgraphs,
        )

    async def _paused(self, graph: Pregel[Any, Any, Any, Any]) -> StateSnapshot | None:
        """The thread's state, where a claim before this one has paused at a breakpoint: it is not to be passed."""
        request = self.run.request
        before, after = _breakpoints(request, "interrupt_before"), _breakpoints(request, "interrupt_after")
        breakpoints = Breakpoints(graph, before, after, sent_to=[target.node for target in request.command.goto])
        if not breakpoints:
            return None
        state = await graph.aget_state(run_config(self.run, {}), subgraphs=breakpoints.is_below)
        return state if await breakpoints.reached(self._saver, state, str(self.run.run_id)) else None

    async def _places(self, graph: Pregel[Any, Any, Any, Any]) -> Places:
        try:
            return places_in(await graph.aget_state(run_config(self.run, {}), subgraphs=True))
        except (StaleClaim, StorageUnavailable):
            raise
        except Exception as error:
            # A subgraph may be elsewhere, or its state unreadable. The pause is told nevertheless.
            words = {"action": "pause_not_placed", "run_id": str(self.run.run_id), "error": repr(error)}
            _log.warning("where the graph paused can't be told", extra=words)
            return {}

    def _note(self, mode: str, chunk: Any) -> None:
        if mode == "values" and shows_values(chunk):
            self._progress.values = without_interrupts(chunk)
            self._progress.seen_values = True
        elif mode == "updates" and INTERRUPT in chunk:
            self._progress.paused = True
            self._progress.interrupts += chunk[INTERRUPT]

    async def _fork(self) -> dict[str, Any]:
        """What names the checkpoint to start from, where it is not the thread's head."""
        run, named = self.run, self.run.request.checkpoint
        if not run.request.HasField("checkpoint"):
            return {}
        place = {"checkpoint_ns": named.checkpoint_ns, "checkpoint_id": named.checkpoint_id}
        found = await self._saver.aget_tuple({"configurable": {"thread_id": run.checkpoint_thread, **place}})
        if found is None:
            # It was there when the run was created. Without it the graph would start from nothing.
            raise CheckpointNotFound(thread_id=run.checkpoint_thread, checkpoint_id=named.checkpoint_id)
        if not named.checkpoint_ns:
            return place
        # A subgraph is reached by way of the graphs around it.
        parents = found.metadata.get("parents", {})
        return {**place, "checkpoint_map": {**parents, named.checkpoint_ns: named.checkpoint_id}}

    def _input(self, applied: Applied) -> Any:
        """The graph's input, or None where a claim before this one has applied it."""
        request = self.run.request
        match request.WhichOneof("work"):
            case "input" if not applied.moved:
                return jsons.loads(request.input.text)
            case "command" if not applied.moved:
                return applied.left_of(command(request.command))
            case _:
                return None

    async def _applied(self) -> Applied:
        run = self.run
        of_run = (run.tenant, run.thread_id, run.run_id)
        named = run.request.checkpoint
        fork = (named.checkpoint_ns, named.checkpoint_id) if run.request.HasField("checkpoint") else (None, None)
        row = await self._pool.row(SQL["applied"], *of_run, *fork)
        if row is None:
            return Applied()
        if row["moved"] or not run.request.command.HasField("resume"):
            return Applied(row["moved"], row["commanded"])
        answers = await self._pool.rows(SQL["answers"], *of_run, row["start_id"])
        return Applied(False, row["commanded"], *answered_in(self._saver.serde, answers))


def run_config(run: ClaimedRun, fork: Mapping[str, Any]) -> Any:
    """The RunnableConfig of a run: the request's, under the keys that the platform sets; `fork` are some of them."""
    request, run_id = run.request, str(run.run_id)
    ours = {"run_id": run_id, "graph_id": run.graph_id, "assistant_id": run.assistant_id}
    configurable = jsons.loads(request.config.configurable.text) if request.config.HasField("configurable") else {}
    config: dict[str, Any] = {
        "configurable": {**configurable, **ours, **fork, "thread_id": run.checkpoint_thread},
        "metadata": {**jsons.loads(run.metadata), **ours, "run_attempt": run.attempts, "run_claim": run.claim},
        "tags": list(request.config.tags),
    }
    if request.config.HasField("recursion_limit"):
        config["recursion_limit"] = request.config.recursion_limit
    return config


def command(message: run_pb2.Command) -> Command[Any]:
    """A Command of LangGraph's."""
    return Command(
        resume=jsons.loads(message.resume.text) if message.HasField("resume") else None,
        update=jsons.loads(message.update.text) if message.HasField("update") else None,
        goto=[_goto(target) for target in message.goto],
    )


def _goto(target: run_pb2.Goto) -> Any:
    return Send(target.node, jsons.loads(target.input.text)) if target.HasField("input") else target.node


async def _standing_at(state: StateSnapshot) -> AsyncIterator[tuple[Sequence[str], str, Any]]:
    """What a graph streams that pauses where it begins."""
    yield (), "values", state.values
    yield (), "updates", {INTERRUPT: state.interrupts}


def _context(request: CreateRunRequest) -> Any:
    return jsons.loads(request.context.text) if request.HasField("context") else None


def _breakpoints(request: CreateRunRequest, name: str) -> Any:
    if not request.HasField(name):
        return None
    breakpoints: run_pb2.Breakpoints = getattr(request, name)
    nodes: Sequence[str] = list(breakpoints.nodes)
    return "*" if breakpoints.all_nodes else nodes
