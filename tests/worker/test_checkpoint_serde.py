"""What comes out of stored bytes: nothing that was not allowed beforehand."""

from __future__ import annotations

import json
import pickle
import sys
from pathlib import Path
from typing import Any

import ormsgpack
import pytest
from langchain_core.messages import AIMessage

from runwire.core.postgres import Pool
from runwire.worker.checkpoint import RunwireSaver
from runwire.worker.checkpoint_shapes import UnreadableState
from runwire.worker.serde import strict_serde
from tests.worker.checkpoint_graphs import Verdict, chat_graph, new_thread, put_one, question

UNIMPORTED = "antigravity"
"""A module of the standard library that opens a browser when it is imported."""


def _packed(code: int, *parts: Any) -> bytes:
    return ormsgpack.packb(ormsgpack.Ext(code, ormsgpack.packb(parts)))


class _Touch:
    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (Path(self.path),)


async def _plant(pool: Pool, type_: str, blob: bytes) -> Any:
    saver = RunwireSaver(pool)
    config = await put_one(saver, new_thread(), planted=[1])
    await pool.execute("UPDATE checkpoint_blobs SET type = $1, blob = $2", type_, blob)
    return await saver.aget_tuple(config)


@pytest.mark.parametrize(
    ("code", "parts"),
    [
        (0, (UNIMPORTED, "fly", "argument")),
        (1, ("os", "system", ["touch {marker}"])),
        (2, ("subprocess", "Popen", {"args": ["touch", "{marker}"]})),
        (3, ("os", "environ", "argument", "get")),
        (4, ("subprocess", "Popen", {"args": ["touch", "{marker}"]})),
        (5, ("tests.worker.checkpoint_graphs", "Verdict", {"word": "w", "score": 1.0})),
    ],
)
async def test_a_planted_class_comes_back_as_plain_data(pool: Pool, tmp_path: Path, code: int, parts: Any) -> None:
    marker = tmp_path / "marker"
    aimed = json.loads(json.dumps(parts).replace("{marker}", str(marker)))

    found = await _plant(pool, "msgpack", _packed(code, *aimed))

    assert found.checkpoint["channel_values"]["planted"] == aimed[2]
    assert not marker.exists()
    assert UNIMPORTED not in sys.modules


async def test_a_planted_pickle_is_refused_unread(pool: Pool, tmp_path: Path) -> None:
    marker = tmp_path / "marker"

    with pytest.raises(UnreadableState):
        await _plant(pool, "pickle", pickle.dumps(_Touch(str(marker))))

    assert not marker.exists()


async def test_a_planted_constructor_in_json_is_not_called(pool: Pool, tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    text = f'{{"lc": 2, "type": "constructor", "id": ["os", "system"], "args": ["touch {marker}"]}}'

    found = await _plant(pool, "json", text.encode())

    assert found.checkpoint["channel_values"]["planted"]["id"] == ["os", "system"]
    assert not marker.exists()


def test_messages_pass_and_unknown_classes_do_not() -> None:
    serde = strict_serde()

    assert serde.loads_typed(serde.dumps_typed(AIMessage("hello", id="1"))) == AIMessage("hello", id="1")
    assert serde.loads_typed(serde.dumps_typed(Verdict("good", 1.0))) == {"word": "good", "score": 1.0}


def test_a_class_named_as_extra_passes() -> None:
    serde = strict_serde([Verdict])

    assert serde.loads_typed(serde.dumps_typed(Verdict("good", 1.0))) == Verdict("good", 1.0)


async def test_a_graphs_own_state_types_pass_by_themselves(pool: Pool) -> None:
    saver, config = RunwireSaver(pool), new_thread()
    await chat_graph(saver).ainvoke(question(), config)
    await chat_graph(saver).aupdate_state(config, {"verdict": Verdict("fine", 0.9)})

    assert (await chat_graph(saver).aget_state(config)).values["verdict"] == Verdict("fine", 0.9)
