"""What every reader of a run may rely on (I6, I7, I14), checked when the story is over."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from runwire.api.stream.v1.stream_pb2 import GAP_REASON_EXPIRED, GAP_REASON_LOST, GAP_REASON_NOT_LOGGED
from runwire.core.run_message import STATUSES
from runwire.stream.position import START, Position
from tests.model.follow_reader import Received, SimulatedReader, Visit
from tests.model.follow_world import Story

_OWN = ("heartbeat", "gap")
# Of looks, deliveries and waits of the loop, where nothing is in the way.
_SLACK = 0.5
_POLL, _FLUSH, _UNLOGGED_END = 2.0, 0.2, 1.0


def violations(story: Story) -> list[str]:
    """What went wrong; empty: nothing."""
    found = [*story.failures, *(f"left over: {name}" for name in story.leftovers)]
    found += _log_is_whole(story)
    for reader in story.readers:
        found += (f"{reader.name}: {text}" for text in _of_reader(story, reader))
    return found


def _log_is_whole(story: Story) -> Iterator[str]:
    """What a worker logs is what it made, each event once, from the first on; and all of it where it ended the run."""
    for claim, logged in story.log_bytes.items():
        numbers = [seq for of_claim, seq in story.final_log if of_claim == claim]
        if numbers != list(range(1, len(numbers) + 1)):
            yield f"the log of claim {claim} has {numbers}"
        elif logged != b"".join(story.emitted[claim, seq] for seq in numbers):
            yield f"the log of claim {claim} is not what the worker made"
    if story.finished_by is not None:
        missing = {place for place in story.emitted if place[0] == story.finished_by} - set(story.final_log)
        if missing and not story.removed:
            yield f"never logged: {sorted(missing)}"
    if {claim for claim, _ in story.final_log} - set(range(1, story.run.claim + 1)):
        yield "the log has claims that never were"


def _of_reader(story: Story, reader: SimulatedReader) -> Iterator[str]:
    visits = [visit for visit in reader.visits if visit.ended_at is not None]
    received = [each for visit in visits for each in visit.received]
    yield from _are_in_order(received)
    yield from _are_true(story, received)
    yield from _gaps_are_holes(story, visits)
    yield from _nothing_is_missing(story, visits)
    yield from _ends(story, visits)
    for visit in visits:
        yield from _is_prompt(story, visit)
        yield from _was_heard(story, visit)
        yield from _shows_life(visit)
        if visit.largest_queue > visit.limit:
            yield f"the queue grew to {visit.largest_queue} bytes, beyond {visit.limit}"


def _are_in_order(received: list[Received]) -> Iterator[str]:
    newest = START
    for each in received:
        if each.kind in _OWN:
            if each.id != newest:
                yield f"a {each.kind} has the id {each.id} and not that of the newest event, {newest}"
        elif each.id <= newest:
            yield f"{each.id} after {newest}"
        else:
            newest = each.id


def _are_true(story: Story, received: list[Received]) -> Iterator[str]:
    """Every event is one that a worker made, byte for byte, or the end that was derived."""
    for number, each in enumerate(received):
        if each.kind in _OWN:
            continue
        if each.kind == "finished" and number + 1 < len(received):
            yield f"{received[number + 1].kind} after finished"
        if each.kind == "finished" and story.removed:
            # What was logged of a run that is not there any more is not known; its id is not asked for again.
            continue
        if each.id in story.emitted:
            if story.emitted[each.id] != each.raw:
                yield f"{each.id} is not what the worker sent"
        elif each.kind != "finished":
            yield f"{each.id} was never sent"


def _gaps_are_holes(story: Story, visits: list[Visit]) -> Iterator[str]:
    """A Gap stands exactly where events are missing, and says how many where that can be known."""
    newest = START
    for visit in visits:
        gap: Received | None = None
        for each in visit.received:
            if each.kind == "heartbeat":
                continue
            if each.kind == "gap":
                if gap is not None:
                    yield f"two gaps at {newest}"
                gap = each
                continue
            yield from _gap_is_hole(story, newest, gap, each)
            newest, gap = each.id, None


def _gap_is_hole(story: Story, newest: Position, gap: Received | None, event: Received) -> Iterator[str]:
    is_derived = event.kind == "finished" and event.id not in story.emitted
    begun = newest.seq if event.id.claim == newest.claim else 0
    hole = 0 if is_derived else event.id.seq - 1 - begun
    if gap is None:
        if hole:
            yield f"{hole} events are missing before {event.id}, and nothing says so"
        return
    if is_derived:
        allowed = {GAP_REASON_NOT_LOGGED} if not story.run.event_log else {GAP_REASON_EXPIRED}
        if story.removed and story.run.event_log:
            allowed.add(GAP_REASON_LOST)
        if gap.event.gap.reason not in allowed or gap.event.gap.missing:
            yield f"a gap before an end that was derived: {gap.event.gap}"
        return
    reason = GAP_REASON_LOST if story.run.event_log else GAP_REASON_NOT_LOGGED
    if gap.event.gap.missing != hole or hole == 0 or gap.event.gap.reason != reason:
        yield f"a gap before {event.id} says {gap.event.gap}, and {hole} are missing"


def _nothing_is_missing(story: Story, visits: list[Visit]) -> Iterator[str]:
    """All that the log had in the end was delivered, to whoever followed to the end."""
    if not visits or visits[-1].outcome != "finished" or _said_expired(visits):
        return
    delivered = {each.id for visit in visits for each in visit.received if each.kind not in _OWN}
    missing = [place for place in story.final_log if place not in delivered]
    if missing and not story.removed:
        yield f"never delivered: {missing}"


def _said_expired(visits: list[Visit]) -> bool:
    return any(each.kind == "gap" and each.event.gap.reason == GAP_REASON_EXPIRED for each in visits[-1].received)


def _ends(story: Story, visits: list[Visit]) -> Iterator[str]:
    if story.failures:
        return
    last = visits[-1]
    end = last.received[-1] if last.received else None
    if last.outcome == "finished" and end is not None:
        yield from _end_is_true(story, end)
    elif last.outcome == "finished" and last.token not in story.ends:
        yield f"a stream after {last.token} ended without a word"
    elif last.outcome == "expired" and (story.expired_at is None or (last.token == START and end is None)):
        yield "told of expired events for no reason"
    elif last.outcome == "not found" and not story.removed:
        yield "a run that is there was not found"
    elif last.outcome in ("", "unavailable") and (end is None or end.kind != "finished"):
        # A reader may go between the run's end and the stream's.
        yield f"the last call ended with {last.outcome or 'nothing'}"


def _end_is_true(story: Story, end: Received) -> Iterator[str]:
    if end.kind != "finished":
        yield f"the stream ended with {end.kind}"
    elif end.event.finished.rolled_back:
        if not story.removed:
            yield "a run that is there was told as rolled back"
        elif story.run.finished_at is not None:
            yield f"a run that is {story.run.status} was told as rolled back"
    elif end.event.finished.status != STATUSES[story.run.status]:
        yield f"finished says {end.event.finished.status}, the run is {story.run.status}"


def _is_prompt(story: Story, visit: Visit) -> Iterator[str]:
    """Where Postgres answers, a lost message costs no more than a poll interval."""
    if not story.weather.postgres_is_fine or visit.reads_in or visit.joined_at is None:
        return
    limit = _POLL + 2 * _FLUSH + _SLACK
    for each in visit.received:
        logged_at = story.logged_at.get(each.id)
        if each.kind in _OWN or logged_at is None:
            continue
        late = each.at - max(logged_at, visit.joined_at)
        if late > limit:
            yield f"{each.id} came {late:.3f} s after it was logged"


def _was_heard(story: Story, visit: Visit) -> Iterator[str]:
    """Where the bus is fine, a reader that has joined misses nothing of what is published, log or no log."""
    if not story.weather.bus_is_fine or visit.joined_at is None or visit.overflowed or story.removed:
        return
    claim = story.run.claim
    heard_from = [seq for at, of_claim, seq in story.heard if at > visit.joined_at and of_claim == claim]
    if not heard_from:
        return
    until = visit.received[-1].id if visit.received else visit.token
    delivered = {each.id for each in visit.received}
    for seq in range(min(heard_from), until.seq + 1 if until.claim == claim else 0):
        if (claim, seq) in story.emitted and (claim, seq) not in delivered and (claim, seq) > visit.token:
            yield f"{claim}-{seq} was published after the reader had joined, and was not delivered"


def _shows_life(visit: Visit) -> Iterator[str]:
    """Once something was read, there is a heartbeat whenever nothing else comes."""
    if visit.reads_in or not visit.received or visit.ended_at is None:
        return
    moments = [each.at for each in visit.received] + [visit.ended_at]
    silence = max(after - before for before, after in pairwise(moments))
    if silence > visit.heartbeat + _SLACK:
        yield f"nothing came for {silence:.3f} s, and a heartbeat is due every {visit.heartbeat:g} s"
