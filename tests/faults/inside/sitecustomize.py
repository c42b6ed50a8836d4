"""Every Python process of a campaign imports this at its start: on SIGUSR2 it writes how much it has in hand.

A file `<pid>` in the folder FAULTS_FIGURES then holds {"tasks": ..., "postgres pooled": ..., "postgres in use": ...,
"redis pooled": ..., "redis in use": ...}: unfinished tasks, and the connections that pools have and that are at work.
"""

import gc
import json
import os
import signal
from collections import Counter
from pathlib import Path
from typing import Any

_FOLDER = os.environ.get("FAULTS_FIGURES")


def _write_figures(*_: object) -> None:
    # Quick, since heartbeats wait for it, and without imports, since the process may have just begun.
    figures = Counter(dict.fromkeys(_NAMES, 0))
    for found in gc.get_objects():
        note = _NOTES.get(type(found).__name__)
        if note is not None:
            note(found, figures)
    draft = Path(_FOLDER or "", f"{os.getpid()}.draft")
    draft.write_text(json.dumps(figures))
    draft.rename(draft.with_suffix(""))


def _note_task(task: Any, figures: Counter[str]) -> None:
    if type(task).__module__ in ("_asyncio", "asyncio.tasks"):
        figures["tasks"] += not task.done()


def _note_postgres(holder: Any, figures: Counter[str]) -> None:
    figures["postgres pooled"] += holder.is_connected()
    figures["postgres in use"] += not holder.is_idle()


def _note_redis(pool: Any, figures: Counter[str]) -> None:
    in_use = list(pool._in_use_connections)
    figures["redis pooled"] += sum(found.is_connected for found in [*in_use, *pool._available_connections])
    figures["redis in use"] += len(in_use)


_NAMES = ("tasks", "postgres pooled", "postgres in use", "redis pooled", "redis in use")
_NOTES = {"Task": _note_task, "PoolConnectionHolder": _note_postgres, "ConnectionPool": _note_redis}

if _FOLDER:
    signal.signal(signal.SIGUSR2, _write_figures)
