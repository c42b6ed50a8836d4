"""The public conformance suite for checkpointers, every capability of it."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.conformance import checkpointer_test, validate
from langgraph.checkpoint.conformance.capabilities import Capability

from runwire.core.checkpoint_threads import ThreadKeys
from runwire.core.postgres import Pool
from runwire.worker.checkpoint import RunwireSaver


async def test_all_capabilities_are_detected_and_all_81_tests_pass(pool: Pool) -> None:
    @checkpointer_test(name="RunwireSaver")
    async def saver() -> AsyncGenerator[BaseCheckpointSaver[str], None]:
        yield RunwireSaver(pool)

    report = await validate(saver)

    detected = {name for name, result in report.results.items() if result.detected}
    assert detected == {capability.value for capability in Capability}
    assert [failure for result in report.results.values() for failure in result.failures] == []
    assert sum(result.tests_passed for result in report.results.values()) == 81


async def test_the_suite_passes_for_a_tenant_of_its_own(pool: Pool) -> None:
    @checkpointer_test(name="RunwireSaver of a tenant")
    async def saver() -> AsyncGenerator[BaseCheckpointSaver[str], None]:
        yield RunwireSaver(pool, keys=ThreadKeys("acme"))

    report = await validate(saver)

    assert sum(result.tests_passed for result in report.results.values()) == 81
