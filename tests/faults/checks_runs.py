"""Runs as Postgres has them against what clients and receivers of webhooks were told: I1, I2, I8 and I9."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator

from tests.faults.case import FINAL, Case, Finding
from tests.faults.evidence import Change


def ends_once(case: Case) -> Iterator[Finding]:
    """Each acknowledged run has ended, exactly once, or was rolled back by somebody's wish."""
    for run_id in case.created:
        row = case.rows.get(run_id)
        changes = case.changes.get(run_id, [])
        ends = [change for change in changes if change.old_status in ("pending", "running") and _is_end(change)]
        if row is None and not ends:
            yield Finding(f"run {run_id} was acknowledged and is lost", run_id)
        elif row is not None and row.status not in FINAL:
            yield Finding(f"run {run_id} has not ended: it is {row.status}", run_id)
        elif len(ends) != 1:
            yield Finding(f"run {run_id} has ended {len(ends)} times", run_id)
        elif row is None and not _may_be_rolled_back(case, run_id):
            yield Finding(f"run {run_id} was removed though nobody asked for it", run_id)
        elif changes and changes[-1] is not ends[0]:
            yield Finding(f"run {run_id} was changed after its end", run_id)
    for run_id, row in case.rows.items():
        if run_id not in case.created and row.status not in FINAL:
            yield Finding(f"run {run_id}, which nobody heard of, has not ended: it is {row.status}", run_id)
    yield from (Finding(text) for text in case.evidence.busy)


def _is_end(change: Change) -> bool:
    return change.status is None or change.status in FINAL


def _may_be_rolled_back(case: Case, run_id: str) -> bool:
    return any(rollback for rollback in case.cancels.get(run_id, ())) or _made_way(case, run_id, "rollback")


def _made_way(case: Case, run_id: str, *strategies: str) -> bool:
    """Whether a later run of the thread was to cancel this one."""
    created = case.created[run_id]
    return any(
        entry["thread"] == created["thread"] and entry["strategy"] in strategies and entry["run"] != run_id
        for entry in case.creating_on(created["thread"])
    )


def ends_as_expected(case: Case) -> Iterator[Finding]:
    """A run ends as its graph would, unless it was cancelled or its processes died three times."""
    cancels = case.cancels
    for run_id, created in case.created.items():
        row = case.rows.get(run_id)
        if row is None or row.status not in FINAL:
            continue
        if row.status == "cancelled":
            if run_id not in cancels and not _made_way(case, run_id, "interrupt", "rollback"):
                yield Finding(f"run {run_id} is cancelled though nobody asked for it", run_id)
        elif row.status == "error" and row.error_type == "AttemptsExhausted":
            if row.attempts != 3 or _used_up(case.changes.get(run_id, [])) < 3:
                yield Finding(f"run {run_id} has no attempts left after {row.attempts}", run_id)
        elif row.status not in created["expects"]:
            yield Finding(f"run {run_id} ended in {row.status} ({row.error_type}), not {created['expects']}", run_id)
        elif row.status == "error" and row.error_type != "ValueError":
            yield Finding(f"run {run_id} failed with {row.error_type}, which is not its graph's", run_id)


def _used_up(changes: list[Change]) -> int:
    """Claims that were not given back without being counted."""
    return sum(
        (change.status == "running" and change.old_status == "pending")
        - (change.old_status == "running" and change.status == "pending" and change.attempts < change.old_attempts)
        for change in changes
    )


def told_the_truth(case: Case) -> Iterator[Finding]:
    """What waiting for an end told is the end."""
    for entry in case.evidence.of("ended"):
        row = case.rows.get(entry["run"])
        if entry["status"] != (row.status if row is not None else "gone") and not (
            row is None and entry["status"] == "cancelled"
        ):
            actual = row.status if row is not None else "gone"
            yield Finding(f"run {entry['run']} was said to be {entry['status']} and is {actual}", entry["run"])
    for entry in case.evidence.of("not ended"):
        yield Finding(f"run {entry['run']} was waited for in vain", entry["run"])
    for entry in case.evidence.of("misanswered"):
        yield Finding(f"a call was answered as the contract does not say: {entry['text']}", entry.get("run", ""))


def webhooks_are_delivered(case: Case) -> Iterator[Finding]:
    """Of each end that somebody is to be told there is one delivery, which has come, and tells that end."""
    owed, came = defaultdict(list), defaultdict(list)
    for delivery in case.evidence.deliveries:
        owed[delivery.run_id].append(delivery)
    for entry in case.evidence.of("notified"):
        came[entry["run"]].append(entry)
    for run_id, created in case.created.items():
        row, wanted = case.rows.get(run_id), int(created.get("notifies", False))
        if len(owed[run_id]) != wanted:
            yield Finding(f"of run {run_id} {len(owed[run_id])} webhooks are owed, not {wanted}", run_id)
        if any(delivery.state != "delivered" for delivery in owed[run_id]) or len(came[run_id]) < wanted:
            yield Finding(
                f"the webhook of run {run_id} did not come: {owed[run_id]}, {len(came[run_id])} calls", run_id
            )
        for entry in came[run_id]:
            if entry["delivery"] not in {delivery.delivery_id for delivery in owed[run_id]}:
                yield Finding(f"the webhook of run {run_id} came as {entry['delivery']}, too", run_id)
            actual = row.status if row is not None else "gone"
            if entry["status"] != actual:
                yield Finding(f"the webhook of run {run_id} told {entry['status']}, and it is {actual}", run_id)


def crons_tick_once(case: Case) -> Iterator[Finding]:
    """A cron makes no more runs than it had ticks, however many replicas tick and whatever they hear of it."""
    made = Counter(row.cron_id for row in case.rows.values() if row.cron_id is not None)
    disabled = {entry["cron"]: entry["until"] for entry in case.evidence.of("cron disabled")}
    for entry in case.evidence.of("cron created"):
        if until := disabled.get(entry["cron"]):
            ticks = (until - entry["at"]) // (entry["every"] * 1_000_000_000) + 1
            if made[entry["cron"]] > ticks:
                text = f"cron {entry['cron']} made {made[entry['cron']]} runs in {ticks} ticks"
                yield Finding(text, thread_id=entry["thread"])


def one_runs(case: Case) -> Iterator[Finding]:
    """At most one run of a thread is running."""
    running: dict[str, str] = {}
    for change in case.evidence.changes:
        thread_id = change.thread_id
        if thread_id is None:
            continue
        if change.status == "running" and change.old_status != "running":
            other = running.setdefault(thread_id, change.run_id)
            if other != change.run_id:
                yield Finding(f"{other} and {change.run_id} run at once on thread {thread_id}", thread_id=thread_id)
        elif change.old_status == "running" and change.status != "running" and running.get(thread_id) == change.run_id:
            del running[thread_id]


def begun_in_order(case: Case) -> Iterator[Finding]:
    """A thread's runs are created in the order of their acknowledged calls, and start in the order of creation."""
    made: dict[str, list[str]] = defaultdict(list)
    started: dict[str, int] = {}
    for change in case.evidence.changes:
        if change.thread_id is not None and change.old_status is None:
            made[change.thread_id].append(change.run_id)
        elif change.status == "running":
            started.setdefault(change.run_id, change.seq)
    for thread_id, run_ids in made.items():
        last = asked = 0
        for run_id in run_ids:
            if run_id in started and run_id not in case.delayed:
                if started[run_id] < last:
                    yield Finding(f"run {run_id} started before one that was created before it", thread_id=thread_id)
                last = max(last, started[run_id])
            if created := case.created.get(run_id):
                if created["until"] < asked:
                    yield Finding(f"run {run_id} was created after one that was asked for later", thread_id=thread_id)
                asked = max(asked, created["at"])


def deleted_is_gone(case: Case) -> Iterator[Finding]:
    """A run whose removal was acknowledged has neither row nor events."""
    for entry in case.evidence.of("deleted"):
        if entry["run"] in case.evidence.rows or entry["run"] in case.evidence.logs:
            yield Finding(f"run {entry['run']} was deleted, and is there", entry["run"])


def cancels_take_effect(case: Case) -> Iterator[Finding]:
    """A cancel that was acknowledged takes effect, or the run had ended."""
    for entry in case.evidence.of("cancelled"):
        run_id, told = entry["run"], entry["told"]
        row = case.rows.get(run_id)
        if told in ("requested", "cancelled"):
            if row is not None and row.status != "cancelled":
                yield Finding(f"run {run_id} was to be cancelled and ended in {row.status}", run_id)
            elif row is not None and entry["rollback"] and told == "requested":
                yield Finding(f"run {run_id} was to be undone and is only cancelled", run_id)
        elif told in FINAL and row is not None and row.status != told:
            yield Finding(f"run {run_id} was said to be {told} when it was cancelled, and is {row.status}", run_id)
        elif told == "gone" and row is not None:
            yield Finding(f"run {run_id} was said to be gone and is {row.status}", run_id)
        elif told not in FINAL and told != "gone":
            yield Finding(f"the answer to a cancel of run {run_id} was that it is {told}", run_id)


def rolled_back_is_gone(case: Case) -> Iterator[Finding]:
    """Nothing is left of a run that was rolled back: no row, no checkpoint, no write, no value."""
    for entry in case.evidence.of("cancelled"):
        run_id, row = entry["run"], case.rows.get(entry["run"])
        asked_otherwise = not all(case.cancels[run_id]) or _made_way(case, run_id, "interrupt")
        if entry["rollback"] and entry["told"] == "cancelled" and row is not None and not asked_otherwise:
            yield Finding(f"run {run_id} was to be undone and is only cancelled", run_id)
    for run_id, what in case.evidence.remains.items():
        if run_id in case.deleted:
            continue
        yield Finding(f"of run {run_id}, which was rolled back, {what} are left", run_id)
    # Whoever answers once more leaves some of the same.
    kept = {text for run_id, created in case.created.items() if run_id in case.rows for text in created["leaves"]}
    for run_id, created in case.created.items():
        token, values = created["token"], case.evidence.values.get(created["thread"])
        if run_id in case.rows or not isinstance(values, dict):
            continue
        told = [*values.get("inputs", ()), *values.get("done", ())]
        own = set(created["leaves"]) - kept
        if any(text in own or (token and text.partition("/")[0] == token) for text in told):
            yield Finding(f"thread {created['thread']} still has what {run_id} wrote", run_id)
