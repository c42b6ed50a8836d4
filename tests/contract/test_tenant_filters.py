"""Every statement and function says whose rows it means; those that need not are named here, with the reason."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

import pytest

from runwire.core import sql
from runwire.core.postgres import Pool
from tests.contract.test_statements import _FILES

OWNED = frozenset(
    [
        "assistants",
        "assistant_versions",
        "threads",
        "runs",
        "run_events",
        "removed_runs",
        "state_requests",
        "crons",
        "webhook_deliveries",
        "store",
        "checkpoints",
        "checkpoint_blobs",
        "checkpoint_writes",
    ]
)
_IN_THREAD = "the thread's id in these tables carries its tenant, see runwire.core.checkpoint_threads"
_NOT_NAMED = "by an id that the server has made and tells nobody"
_HELD = "what a worker holds, whosever it is"
_ALL = "for all tenants: what the clock brings about"

WITHOUT: Mapping[str, str] = {
    "core.checkpoint_upkeep.delete_threads": _IN_THREAD,
    "core.checkpoint_upkeep.copy_thread": _IN_THREAD,
    "core.checkpoint_upkeep.doomed_but_latest": _IN_THREAD,
    "core.checkpoint_upkeep.doomed_with_runs": _IN_THREAD,
    "core.checkpoint_upkeep.sweep": _IN_THREAD,
    "worker.checkpoint.get_checkpoint": _IN_THREAD,
    "worker.checkpoint.list_checkpoints": _IN_THREAD,
    "worker.checkpoint.delta_history": _IN_THREAD,
    "worker.execute.applied": _IN_THREAD,
    "worker.execute.answers": _IN_THREAD,
    "worker.thread_state_updates.has_checkpoint": _IN_THREAD,
    "delete_checkpoints_of_thread": _IN_THREAD,
    "dispatch.thread_state.take": _NOT_NAMED,
    "worker.thread_state.answer_state_request": _NOT_NAMED,
    "worker.thread_state.release_state_request": _NOT_NAMED,
    "dispatch.webhooks.settle_as_delivered": _NOT_NAMED,
    "dispatch.webhooks.put_off": _NOT_NAMED,
    "dispatch.webhooks.give_up": _NOT_NAMED,
    "worker.registration.holders": _HELD,
    "worker.registration.release_state_requests": _HELD,
    "worker.thread_state.release_stray_state_requests": _HELD,
    "dispatch.workers.list": "how many runs a worker holds, whosever they are",
    "dispatch.clockwork.give_back_questions": _ALL,
    "dispatch.clockwork.due_graphs": _ALL,
    "dispatch.webhooks.forget": _ALL,
}

_TABLE = re.compile(r"\b(?:FROM|JOIN|INTO|UPDATE|USING)\s+(\w+)")
# Conditions that a module puts in: the tenant's is among them, which the tests of its lists show.
_FILLED_IN = re.compile(r"\{+(conditions|found|namespaces)\}+")


def _says_whose(text: str) -> bool:
    code = re.sub(r"--.*|ORDER BY .*", "", text)
    touched = OWNED.intersection(_TABLE.findall(code))
    return not touched or bool(re.search(r"\btenant\b|\bp_tenant\b", code) or _FILLED_IN.search(code))


def _statements() -> Iterator[tuple[str, str]]:
    for file in _FILES:
        for name, text in sql.load(str(file.with_suffix(".py"))).items():
            yield f"{file.parent.name}.{file.stem}.{name}", text


async def statements_and_functions(pool: Pool) -> list[tuple[str, str]]:
    """Names and texts."""
    functions = await pool.fetch(
        "SELECT p.proname AS name, p.prosrc AS text FROM pg_proc p WHERE p.pronamespace = 'public'::regnamespace"
    )
    return [*_statements(), *((row["name"], row["text"]) for row in functions)]


async def test_every_statement_and_function_says_whose_rows_it_means(pool: Pool) -> None:
    texts = await statements_and_functions(pool)
    assert {name for name, text in texts if not _says_whose(text)} == set(WITHOUT)


async def test_every_table_is_of_tenants_or_known_not_to_be(pool: Pool) -> None:
    tables = await pool.fetch(
        "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
    )
    shared = {"graphs", "workers", "tenants", "migrations", "checkpoint_migrations", "store_migrations"}
    assert {row["relname"] for row in tables} == OWNED | shared


@pytest.mark.parametrize(
    "text", ["SELECT 1 FROM runs WHERE run_id = $1", "DELETE FROM crons c WHERE c.cron_id = $1 -- tenant"]
)
def test_a_statement_that_forgets_the_tenant_is_found(text: str) -> None:
    assert not _says_whose(text)
