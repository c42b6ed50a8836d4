"""State that JSON has no form for, and state that is large."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.harness.platform import Platform, new_thread, output, status
from tests.harness.waiting import until

_SHOWN: dict[str, Any] = {
    "datetime": "2024-05-06T07:08:09+00:00",
    "set": [1],
    "dataclass": {"x": 1, "y": 2},
    "pydantic": {"name": "Ada", "born": "1815-12-10T00:00:00+00:00"},
    "bytes": "\\xff plain",
    "nan": None,
    "infinity": None,
    "nul": "ab",
    "keys": {"1": "one"},
}


@pytest.mark.parametrize("kind", sorted(_SHOWN))
async def test_a_value_that_json_lacks_is_shown_as_something_like_it(platform: Platform, kind: str) -> None:
    thread = new_thread()
    run = await platform.run("odd", {"kind": kind}, thread=thread)
    assert status(run) == "success", run
    shown = output(run)["value"]
    if kind == "keys":
        shown = {key: value for key, value in shown.items() if key == "1"}
    assert shown == _SHOWN[kind]
    assert json.loads((await platform.thread(thread)).values.text)["next"] == 1
    assert json.loads((await platform.state(thread)).values.text)["next"] == 1


@pytest.mark.parametrize("kind", ["surrogate", "deep", "huge", "huge_and_nan", "enormous"])
async def test_a_value_that_nothing_can_hold_does_not_stop_the_platform(platform: Platform, kind: str) -> None:
    run = await platform.create("odd", {"kind": kind}, thread=new_thread(), modes=["values", "updates"])
    ended = await platform.finish(run.run_id)
    assert status(ended) in ("success", "error")
    assert ended.run.attempts == 1
    assert (await platform.events(run.run_id))[-1].HasField("finished")


async def test_an_input_keeps_its_numbers(platform: Platform) -> None:
    value = {"kind": "set", "value": [2**53 + 1, 0.1, 1e300, -0.0, 5]}
    thread = new_thread()
    run = await platform.create("odd", value, thread=thread)
    first = (await platform.events(run.run_id))[1]
    assert json.loads(first.values.values.text)["value"] == value["value"]


async def test_five_megabytes_of_state(platform: Platform) -> None:
    thread = new_thread()
    run = await platform.run("big", {"bytes": 5_000_000}, thread=thread)
    assert len(output(run)["blob"]) == 5_000_000
    assert len(json.loads((await platform.thread(thread)).values.text)["blob"]) == 5_000_000
    assert len(json.loads((await platform.state(thread)).values.text)["blob"]) == 5_000_000


async def test_state_beyond_the_message_limit_does_not_stop_the_platform(platform: Platform) -> None:
    run = await platform.create("big", {"bytes": 34_000_000}, thread=new_thread(), modes=["tasks"])
    assert await _ended(platform, run.run_id) in ("success", "error")
    assert status(await platform.run("echo", {"text": "still here"})) == "success"


async def _ended(platform: Platform, run_id: str) -> str:
    async def final() -> str | None:
        found = await platform.get(run_id)
        return status(found) if found.HasField("finish_time") else None

    return await until(final, within=30) or ""
