"""What every reader of a thread may rely on, checked when the story is over."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from uuid import UUID

from runwire.api.stream.v1.stream_pb2 import RunEvent
from runwire.stream import thread_position
from tests.model.simulated_postgres import RunRow
from tests.model.thread_world import ThreadStory, Told


def violations(story: ThreadStory) -> list[str]:
    """What went wrong; empty: nothing."""
    found = list(story.failures)
    if not found:
        for told in story.readers:
            found += (f"{told.name}: {text}" for text in _of_reader(story, told))
    return found


def _of_reader(story: ThreadStory, told: Told) -> Iterator[str]:
    blocks: dict[UUID, list[RunEvent]] = {}
    newest: UUID | None = None
    for event in told.events:
        if event.WhichOneof("payload") in ("heartbeat", "gap"):
            continue
        run_id = UUID(event.run_id)
        if run_id != newest and run_id in blocks:
            yield f"run {run_id.int} is told again"
        newest = run_id
        blocks.setdefault(run_id, []).append(event)
    runs = {run.run_id: run for run in story.runs}
    for run_id, events in blocks.items():
        yield from _run_is_told(story, told, runs[run_id], events)
    places = [(runs[run_id].place or 0.0, run_id.int) for run_id in blocks if run_id not in story.removed]
    for one, other in pairwise(places):
        if one > other:
            yield f"run {other[1]} began at {other[0]:.3f} and is told after run {one[1]}, which began at {one[0]:.3f}"
    yield from _all_are_told(story, told, set(blocks))


def _run_is_told(story: ThreadStory, told: Told, run: RunRow, events: list[RunEvent]) -> Iterator[str]:
    inside = [place.inside for event in events if (place := thread_position.parse(event.event_id)) is not None]
    for one, other in pairwise(inside):
        if one >= other:
            yield f"run {run.run_id.int}: {other} after {one}"
    kinds = [event.WhichOneof("payload") for event in events]
    gaps = {UUID(event.run_id) for event in told.events if event.HasField("gap")}
    if kinds.count("finished") != 1 or kinds[-1] != "finished":
        yield f"run {run.run_id.int} is told as {kinds}"
    if run.run_id in story.removed:
        return
    if run.began_at is not None and kinds[0] != "started" and run.run_id not in gaps:
        yield f"run {run.run_id.int} begins with {kinds[0]}"
    logged = {(claim, seq) for (claim, first), (last, _) in run.events.items() for seq in range(first, last + 1)}
    if missing := logged - set(inside):
        yield f"run {run.run_id.int}: never delivered: {sorted(missing)}"


def _all_are_told(story: ThreadStory, told: Told, blocks: set[UUID]) -> Iterator[str]:
    if told.joined_at is None:
        return
    for run in story.runs:
        # One that never began has its place by its end, which may lie behind the beginning of one that is told.
        was_over = run.began_at is not None and run.finished_at is not None and run.finished_at < told.began_at
        is_expected = run.finished_at is not None and run.finished_at > told.joined_at
        if is_expected and run.run_id not in blocks and run.run_id not in story.removed:
            yield f"run {run.run_id.int} is not told"
        if was_over and run.run_id in blocks:
            yield f"run {run.run_id.int} was over before the reader came, and is told"
