"""A run whose pause was not written, or that was cut off: the next attempt pauses where the first one would have."""

from __future__ import annotations

import asyncio
import itertools
import json
import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, TypedDict

import pytest
from langgraph.func import entrypoint
from langgraph.graph import START, StateGraph
from langgraph.types import Send, interrupt

from runwire.api.type.v1 import run_pb2
from runwire.api.type.v1.json_pb2 import Json
from runwire.core.bus import Bus
from runwire.core.postgres import Pool
from runwire.core.settings import Settings
from runwire.worker.claims import ClaimedRun, Claims, Ending
from runwire.worker.execute import Attempt, Retry
from runwire.worker.fence import StorageUnavailable
from runwire.worker.graphs import Graphs
from runwire.worker.outbox import Outbox
from runwire.worker.registration import Registration
from tests.worker.executors import insert_run

EMPTY = Json(text='{"log": []}')
ALL = run_pb2.Breakpoints(all_nodes=True)
WRITES = "SELECT checkpoint_id, task_id, idx, blob, run_id FROM checkpoint_writes ORDER BY checkpoint_id, task_id, idx"


class State(TypedDict, total=False):
    log: Annotated[list[str], operator.add]


@dataclass
class Desk:
    """A worker's claims on runs of thread "t", without an executor that would end them."""

    pool: Pool
    claims: Claims
    outbox: Outbox

    async def create(self, **fields: Any) -> None:
        """A run, ready to be claimed."""
        work = {} if "command" in fields else {"input": Json(text="null")}
        await insert_run(self.pool, "t", **work | fields)

    async def attempt(self, graph: Any) -> tuple[ClaimedRun, Ending]:
        """What the run comes to. It is not written."""
        [run] = (await self.claims.claim(["g"], 1)).runs
        return run, await Attempt(run, Graphs({"g": graph}), self.pool, self.outbox).execute()

    async def lost(self, graph: Any) -> Ending:
        """An attempt whose ending nobody writes."""
        run, ending = await self.attempt(graph)
        await self.claims.release(run, use_up=False)
        return ending

    async def broken(self, graph: Any) -> None:
        """An attempt that loses its storage."""
        [run] = (await self.claims.claim(["g"], 1)).runs
        with pytest.raises(Retry):
            await Attempt(run, Graphs({"g": graph}), self.pool, self.outbox).execute()
        await self.claims.release(run, use_up=True)

    async def cut_off(self, graph: Any, there: asyncio.Event) -> None:
        """An attempt that is told to stop when its code is there."""
        [run] = (await self.claims.claim(["g"], 1)).runs
        attempt = asyncio.create_task(Attempt(run, Graphs({"g": graph}), self.pool, self.outbox).execute())
        async with asyncio.timeout(20):
            await there.wait()
        attempt.cancel()
        with pytest.raises(asyncio.CancelledError):
            await attempt
        await self.claims.release(run, use_up=False)

    async def finished(self, graph: Any) -> Ending:
        """An attempt that ends its run."""
        run, ending = await self.attempt(graph)
        assert (await self.claims.finish(run, ending, None)).outcome == "finished"
        return ending


@pytest.fixture
async def desk(pool: Pool, bus: Bus, settings: Settings) -> Desk:
    """A worker that does as it is told."""
    await pool.execute("INSERT INTO threads (thread_id) VALUES ('t')")
    life = Registration(pool, settings)
    await life.enter(["g"], 1)
    claims = Claims(pool, life.worker_id, 1, settings.run_timeout, settings.max_attempts)
    return Desk(pool, claims, Outbox(pool, bus, settings))


def _says(name: str) -> Any:
    return lambda _: {"log": [name]}


def _failing_once(name: str) -> Any:
    """A node during whose first try Postgres is lost."""
    losses = iter([StorageUnavailable("gone")])

    def node(_: Any) -> State:
        for loss in losses:
            raise loss
        return {"log": [name]}

    return node


def _steps(*names: str, failing: str = "") -> Any:
    graph = StateGraph(State)
    for name in names:
        graph.add_node(name, _failing_once(name) if name == failing else _says(name))
    for one, following in itertools.pairwise((START, *names)):
        graph.add_edge(one, following)
    return graph


def _fanning_out() -> Any:
    graph = StateGraph(State)
    for name in ("many", "one", "end"):
        graph.add_node(name, _says(name))
    graph.add_edge(START, "many").add_edge("one", "end")
    return graph.add_conditional_edges("many", lambda _: [Send("one", {}), Send("one", {})], ["one"])


def _around(inner: Any) -> Any:
    graph = StateGraph(State).add_node("inner", inner).add_node("last", _says("last"))
    return graph.add_edge(START, "inner").add_edge("inner", "last")


def _at(*nodes: str) -> run_pb2.Breakpoints:
    return run_pb2.Breakpoints(nodes=nodes)


def _log(ending: Ending) -> list[str]:
    assert ending.output is not None
    log: list[str] = json.loads(ending.output)["log"]
    return log


@pytest.mark.parametrize("durability", ["ASYNC", "EXIT"])
@pytest.mark.parametrize(
    ("breakpoints", "log"),
    [
        ({"interrupt_before": _at("b")}, ["a"]),
        ({"interrupt_after": _at("b")}, ["a", "b"]),
        ({"interrupt_after": _at("c")}, ["a", "b", "c"]),
        ({"interrupt_before": ALL}, []),
        ({"interrupt_after": ALL}, ["a"]),
    ],
)
async def test_a_breakpoint_holds_the_next_attempts_too(
    desk: Desk, breakpoints: dict[str, Any], log: Sequence[str], durability: str
) -> None:
    graph = _steps("a", "b", "c")
    await desk.create(input=EMPTY, **breakpoints, durability=f"DURABILITY_{durability}")
    first, second, third = [await desk.lost(graph) for _ in range(3)]
    assert (first.status, _log(first)) == ("interrupted", log)
    assert first == second == third


@pytest.mark.parametrize("name", ["interrupt_before", "interrupt_after"])
@pytest.mark.parametrize("nodes", ["*", ["one"]])
async def test_a_breakpoint_at_nodes_that_are_sent_to_holds(desk: Desk, name: str, nodes: Any) -> None:
    compiled: dict[str, Any] = {name: nodes}
    graph = _fanning_out().compile(**compiled)
    await desk.create(input=EMPTY)
    first = await desk.lost(graph)
    assert (first.status, first) == ("interrupted", await desk.lost(graph))


@pytest.mark.parametrize("sent", [run_pb2.Goto(node="a"), run_pb2.Goto(node="a", input=Json(text="{}"))])
async def test_a_breakpoint_after_a_node_that_a_command_names_holds(desk: Desk, sent: run_pb2.Goto) -> None:
    graph = _steps("a", "b")
    await desk.create(input=EMPTY)
    await desk.finished(graph)
    await desk.create(command=run_pb2.Command(goto=[sent]), interrupt_after=_at("a"))
    first = await desk.lost(graph)
    assert (first.status, _log(first)) == ("interrupted", ["a", "b", "a"])
    assert await desk.lost(graph) == first


@pytest.mark.parametrize("name", ["interrupt_before", "interrupt_after"])
async def test_a_breakpoint_of_a_function_holds(desk: Desk, name: str) -> None:
    @entrypoint()
    async def double(number: int) -> int:
        return number * 2

    await desk.create(input=Json(text="1"), **{name: ALL})
    first = await desk.lost(double)
    assert (first.status, first) == ("interrupted", await desk.lost(double))


@pytest.mark.parametrize(
    ("breakpoints", "log"),
    [
        ({"interrupt_before": _at("c")}, ["a", "b"]),
        ({"interrupt_after": _at("b")}, ["a", "b"]),
        ({"interrupt_after": _at("c")}, ["a", "b", "c"]),
    ],
)
async def test_a_breakpoint_holds_that_only_the_next_attempt_reaches(
    desk: Desk, breakpoints: dict[str, Any], log: Sequence[str]
) -> None:
    graph = _steps("a", "b", "c", failing="b")
    await desk.create(input=EMPTY, **breakpoints)
    await desk.broken(graph)
    ended = await desk.finished(graph)
    assert (ended.status, _log(ended)) == ("interrupted", log)


async def test_an_attempt_that_was_lost_in_its_first_node_has_not_paused_after_any(desk: Desk) -> None:
    graph = _steps("a", "b", failing="a")
    await desk.create(input=EMPTY, interrupt_after=ALL)
    await desk.broken(graph)
    assert _log(await desk.finished(graph)) == ["a"]


@pytest.mark.parametrize("breakpoints", [{"interrupt_before": _at("b")}, {"interrupt_after": _at("a")}])
@pytest.mark.parametrize("failing", ["b", "c"])
async def test_a_run_that_passes_a_breakpoint_does_not_pause_there_when_it_is_tried_again(
    desk: Desk, breakpoints: dict[str, Any], failing: str
) -> None:
    graph = _steps("a", "b", "c", failing=failing)
    await desk.create(input=EMPTY, **breakpoints)
    assert (await desk.finished(graph)).status == "interrupted"
    await desk.create(**breakpoints)
    await desk.broken(graph)
    ended = await desk.finished(graph)
    assert (ended.status, _log(ended)) == ("success", ["a", "b", "c"])


async def test_a_run_that_passes_one_breakpoint_pauses_at_the_next_however_often_it_is_tried(desk: Desk) -> None:
    graph = _steps("a", "b", "c")
    await desk.create(input=EMPTY, interrupt_before=ALL)
    await desk.finished(graph)
    await desk.create(interrupt_before=ALL)
    first = await desk.lost(graph)
    assert (first.status, _log(first)) == ("interrupted", ["a"])
    assert await desk.finished(graph) == first


async def test_a_run_that_forks_passes_the_breakpoint_that_it_begins_at(desk: Desk) -> None:
    graph = _steps("a", "b", "c", failing="b")
    await desk.create(input=EMPTY, interrupt_before=_at("b"))
    await desk.finished(graph)
    head = await desk.pool.fetchval("SELECT max(checkpoint_id) FROM checkpoints")
    await desk.create(checkpoint=run_pb2.CheckpointRef(checkpoint_id=head), interrupt_before=_at("b"))
    await desk.broken(graph)
    assert (await desk.finished(graph)).status == "success"


@pytest.mark.parametrize("name", ["interrupt_before", "interrupt_after"])
async def test_a_breakpoint_of_a_subgraph_holds(desk: Desk, name: str) -> None:
    compiled: dict[str, Any] = {name: ["a"]}
    graph = _around(_steps("a", "b").compile(**compiled))
    await desk.create(input=EMPTY, stream_subgraphs=True)
    first = await desk.lost(graph)
    assert (first.status, first) == ("interrupted", await desk.finished(graph))
    await desk.create()
    assert _log(await desk.finished(graph)) == ["a", "b", "last"]


async def test_a_run_that_passes_a_breakpoint_of_a_subgraph_pauses_at_the_next(desk: Desk) -> None:
    graph = _around(_steps("a", "b", "c", failing="a").compile(interrupt_before="*"))
    await desk.create(input=EMPTY)
    await desk.finished(graph)
    await desk.create()
    await desk.broken(graph)
    first = await desk.lost(graph)
    assert (first.status, first) == ("interrupted", await desk.finished(graph))
    await desk.create()
    await desk.lost(graph)
    await desk.finished(graph)
    await desk.create()
    assert _log(await desk.finished(graph)) == ["a", "b", "c", "last"]


def _asking(*questions: str, failing: str = "", held: Mapping[str, asyncio.Event] | None = None) -> Any:
    """A node that asks one after the other; before `failing` it loses Postgres once, and before `held` it stays."""
    losses = iter([StorageUnavailable("gone")])

    async def node(_: Any) -> State:
        answers = []
        for question in questions:
            if question == failing:
                for loss in losses:
                    raise loss
            if held and question in held:
                held[question].set()
                await asyncio.Event().wait()
            answers.append(interrupt(question))
        return {"log": answers}

    return node


def _alone(node: Any) -> Any:
    return StateGraph(State).add_node("ask", node).add_edge(START, "ask")


def _resume(answer: Any, **fields: Any) -> run_pb2.Command:
    return run_pb2.Command(resume=Json(text=json.dumps(answer)), **fields)


def _asked(ending: Ending) -> dict[str, str]:
    """The ids of the interrupts, by what they ask."""
    return {found["value"]: found["id"] for found in json.loads(ending.interrupts or "[]")}


@pytest.mark.parametrize("durability", ["DURABILITY_ASYNC", "DURABILITY_EXIT"])
@pytest.mark.parametrize("is_by_id", [False, True])
async def test_an_answer_is_not_given_to_the_question_after_it(desk: Desk, is_by_id: bool, durability: str) -> None:
    graph = _alone(_asking("one?", "two?", "three?"))
    await desk.create(input=EMPTY, durability=durability)
    ended = await desk.finished(graph)
    for question, following in itertools.pairwise(("one?", "two?", "three?")):
        answer = f"to {question}"
        await desk.create(
            command=_resume({_asked(ended)[question]: answer} if is_by_id else answer), durability=durability
        )
        lost = [await desk.lost(graph) for _ in range(2)]
        ended = await desk.finished(graph)
        assert (ended.status, [*_asked(ended)]) == ("interrupted", [following])
        assert lost == [ended, ended]
    await desk.create(command=_resume("to three?"), durability=durability)
    assert _log(await desk.finished(graph)) == ["to one?", "to two?", "to three?"]


@pytest.mark.parametrize("is_by_id", [False, True])
async def test_an_answer_counts_once_when_its_node_breaks_after_it(desk: Desk, is_by_id: bool) -> None:
    graph = _alone(_asking("one?", "two?", "three?", failing="two?"))
    await desk.create(input=EMPTY)
    asked = _asked(await desk.finished(graph))
    await desk.create(command=_resume({asked["one?"]: "yes"} if is_by_id else "yes"))
    await desk.broken(graph)
    assert [*_asked(await desk.finished(graph))] == ["two?"]


@pytest.mark.parametrize("is_by_id", [False, True])
@pytest.mark.parametrize("before", ["one?", "two?", "three?"])
async def test_an_answer_counts_once_when_its_node_is_cut_off(desk: Desk, before: str, is_by_id: bool) -> None:
    await desk.create(input=EMPTY)
    there = asyncio.Event()
    whole = _alone(_asking("one?", "two?", "three?"))
    for question, answer in (("one?", "first"), ("two?", "second")):
        asked = _asked(await desk.finished(whole))
        await desk.create(command=_resume({asked[question]: answer} if is_by_id else answer))
    await desk.cut_off(_alone(_asking("one?", "two?", "three?", held={before: there})), there)
    assert [*_asked(await desk.finished(whole))] == ["three?"]
    await desk.create(command=_resume("third"))
    assert _log(await desk.finished(whole)) == ["first", "second", "third"]


@pytest.mark.parametrize("failing", ["right one?", "right two?"])
async def test_of_two_answers_each_counts_once(desk: Desk, failing: str) -> None:
    def both(failing: str = "") -> Any:
        graph = StateGraph(State)
        for side in ("left", "right"):
            node = _asking(f"{side} one?", f"{side} two?", failing=failing)
            graph.add_node(side, node).add_edge(START, side)
        return graph

    await desk.create(input=EMPTY)
    asked = _asked(await desk.finished(both()))
    await desk.create(command=_resume({asked["left one?"]: "L", asked["right one?"]: "R"}))
    await desk.broken(both(failing))
    asked = _asked(await desk.finished(both()))
    assert asked.keys() == {"left two?", "right two?"}
    await desk.create(command=_resume({asked["left two?"]: "L2", asked["right two?"]: "R2"}))
    assert _log(await desk.finished(both())) == ["L", "L2", "R", "R2"]


@pytest.mark.parametrize("is_by_id", [False, True])
async def test_an_answer_in_a_subgraph_is_not_given_to_the_node_after_it(desk: Desk, is_by_id: bool) -> None:
    inner = StateGraph(State).add_node("one", _asking("one?")).add_node("two", _asking("two?", "three?"))
    graph = _around(inner.add_edge(START, "one").add_edge("one", "two").compile())
    await desk.create(input=EMPTY)
    ended = await desk.finished(graph)
    for question, following in itertools.pairwise(("one?", "two?", "three?")):
        await desk.create(command=_resume({_asked(ended)[question]: question} if is_by_id else question))
        first, ended = await desk.lost(graph), await desk.finished(graph)
        assert [*_asked(ended)] == [following]
        assert ended == first


@pytest.mark.parametrize("is_by_id", [False, True])
async def test_what_comes_with_an_answer_is_applied_once(desk: Desk, is_by_id: bool) -> None:
    graph = _alone(_asking("one?", "two?"))
    await desk.create(input=EMPTY)
    asked = _asked(await desk.finished(graph))
    update = Json(text='{"log": ["told"]}')
    await desk.create(command=_resume({asked["one?"]: "yes"} if is_by_id else "yes", update=update))
    lost = [await desk.lost(graph) for _ in range(2)]
    ended = await desk.finished(graph)
    assert (_log(ended), [*_asked(ended)], lost) == (["told"], ["two?"], [ended, ended])
    await desk.create(command=_resume("no"))
    assert _log(await desk.finished(graph)) == ["told", "yes", "no"]


async def test_an_answer_to_a_named_checkpoint_is_not_given_to_the_question_after_it(desk: Desk) -> None:
    graph = _alone(_asking("one?", "two?"))
    await desk.create(input=EMPTY)
    await desk.finished(graph)
    head = await desk.pool.fetchval("SELECT max(checkpoint_id) FROM checkpoints")
    await desk.create(command=_resume("yes"), checkpoint=run_pb2.CheckpointRef(checkpoint_id=head))
    first, second = await desk.lost(graph), await desk.finished(graph)
    assert ([*_asked(first)], second) == (["two?"], first)


async def test_a_rollback_undoes_an_answer_that_two_attempts_have_met(desk: Desk) -> None:
    graph = _alone(_asking("one?", "two?", "three?"))
    await desk.create(input=EMPTY)
    await desk.finished(graph)
    await desk.create(command=_resume("yes"))
    await desk.finished(graph)
    before = await desk.pool.fetch(WRITES)
    await desk.create(command=_resume("no"))
    await desk.lost(graph)
    run, _ = await desk.attempt(graph)
    assert await desk.pool.fetch(WRITES) != before
    await desk.pool.execute("SELECT delete_checkpoints_of_run('default', 't', $1)", run.run_id)
    assert await desk.pool.fetch(WRITES) == before


class Told(State, total=False):
    """With a key that takes one value a step."""

    last: str


@pytest.mark.parametrize("durability", ["DURABILITY_ASYNC", "DURABILITY_EXIT"])
@pytest.mark.parametrize("is_overwriting", [False, True])
async def test_a_command_after_one_that_got_no_further_is_applied_once(
    desk: Desk, is_overwriting: bool, durability: Any
) -> None:
    def graph(failing: str = "") -> Any:
        return StateGraph(Told).add_node("ask", _asking("one?", failing=failing)).add_edge(START, "ask")

    def telling(name: str) -> Any:
        told = {"__overwrite__": [name]} if is_overwriting else [name]
        return run_pb2.Command(update=Json(text=json.dumps({"last": name, "log": told})))

    await desk.create(input=EMPTY, durability=durability)
    await desk.finished(graph())
    await desk.create(command=telling("a"), durability=durability)
    await desk.finished(graph())
    before = await desk.pool.fetch(WRITES)
    await desk.create(command=telling("b"), durability=durability)
    await desk.broken(graph("one?"))
    lost = await desk.lost(graph())
    run, ending = await desk.attempt(graph())
    log = ["b"] if is_overwriting else ["a", "b"]
    assert (json.loads(ending.output or ""), lost) == ({"last": "b", "log": log}, ending)
    await desk.pool.execute("SELECT delete_checkpoints_of_run('default', 't', $1)", run.run_id)
    assert await desk.pool.fetch(WRITES) == before
    await desk.claims.finish(run, ending, None)
    await desk.create(command=_resume("c", update=telling("c").update), durability=durability)
    last = await desk.finished(graph())
    log = ["c"] if is_overwriting else ["a", "c"]
    assert json.loads(last.output or "") == {"last": "c", "log": [*log, "c"]}
