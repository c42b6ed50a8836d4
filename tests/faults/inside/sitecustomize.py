"""Every Python process of a campaign imports this at its start: on SIGUSR2 it writes how much it has in hand.

A file `<pid>` in the folder FAULTS_FIGURES then holds {"tasks": ..., "threads": ...}.
"""

import gc
import json
import os
import signal
import threading
from pathlib import Path

_FOLDER = os.environ.get("FAULTS_FIGURES")


def _write_figures(*_: object) -> None:
    import asyncio

    tasks = [found for found in gc.get_objects() if isinstance(found, asyncio.Task) and not found.done()]
    figures = {"tasks": len(tasks), "names": sorted(str(task.get_coro()) for task in tasks)}
    draft = Path(_FOLDER or "", f"{os.getpid()}.draft")
    draft.write_text(json.dumps({**figures, "threads": threading.active_count()}))
    draft.rename(draft.with_suffix(""))


if _FOLDER:
    signal.signal(signal.SIGUSR2, _write_figures)
