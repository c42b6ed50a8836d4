"""What the demo shows: a run up to its pause, the approval, the run that goes on, the report and the figures."""

from __future__ import annotations

import json
import time
from asyncio import CancelledError
from collections.abc import Mapping
from typing import Any

from rich.console import Console, RenderableType
from rich.text import Text

from runwire.api.stream.v1.stream_pb2 import WaitRunResponse
from runwire.api.type.v1.json_pb2 import Json
from runwire.api.type.v1.run_pb2 import Command, RunStatus
from runwire.cli import BEGAN
from runwire.cli.approval import approved_by_demo, ask_a_person, draft_markdown
from runwire.cli.calls import Calls, calling, json_of
from runwire.cli.errors import DemoError
from runwire.cli.figures import Figures, figures_table
from runwire.cli.screens import screen_of
from runwire.cli.stack import Stack
from runwire.cli.telling import Teller, question_of

_GRAPH = "document"
_MOST_RUNS = 10


class Session:
    """One document on one thread."""

    def __init__(self, stack: Stack, console: Console, *, ask: bool) -> None:
        self._stack = stack
        self._console = console
        self._ask = ask
        self._figures: list[Figures] = []

    async def show(self, text: str) -> int:
        """Runs and answers until the last run is over. DemoError when that was not a SUCCESS."""
        async with calling(self._stack) as calls:
            thread_id = await calls.create_thread()
            work: Json | Command = json_of({"text": text})
            for _ in range(_MOST_RUNS):
                end = await self._run(calls, thread_id, work)
                if end.run.status != RunStatus.RUN_STATUS_INTERRUPTED:
                    return self._conclude(end)
                work = Command(resume=json_of(await self._decide(end)))
        raise DemoError(f"The graph paused {_MOST_RUNS} times and would pause again.")

    async def _run(self, calls: Calls, thread_id: str, work: Json | Command) -> WaitRunResponse:
        resumed = isinstance(work, Command)
        self._title("The run goes on with the answer" if resumed else "The run")
        figures = Figures(title="after the answer" if resumed else "up to the pause")
        self._figures.append(figures)
        run_id = await calls.create_run(thread_id, _GRAPH, work)
        try:
            await self._follow(calls, run_id, figures)
            return await calls.end_of(run_id)
        except CancelledError:
            await calls.undo(run_id)
            raise

    async def _follow(self, calls: Calls, run_id: str, figures: Figures) -> None:
        with screen_of(self._console, began=figures.began) as screen:
            teller = Teller(screen)
            async for event in calls.events(run_id):
                if figures.first_event is None and len(self._figures) == 1:
                    screen.note(f"The first event came {time.monotonic() - BEGAN:.1f} s after the command began.")
                figures.count(event.WhichOneof("payload"))
                teller.tell(event)

    async def _decide(self, end: WaitRunResponse) -> Mapping[str, Any]:
        for interrupt in end.interrupts:
            question = question_of(interrupt)
            if "draft" in question:
                self._title("The graph waits for an answer")
                self._markdown(draft_markdown(question["draft"]))
        if self._ask:
            return await ask_a_person()
        self._print(Text("The demo approves; with --ask you decide."))
        return approved_by_demo()

    def _conclude(self, end: WaitRunResponse) -> int:
        status = RunStatus.Name(end.run.status).removeprefix("RUN_STATUS_")
        if end.run.status == RunStatus.RUN_STATUS_SUCCESS:
            self._title("The report")
            self._markdown(json.loads(end.output.text)["report"])
        self._title(f"The end: {status}")
        self._print(figures_table(self._figures))
        if end.run.status != RunStatus.RUN_STATUS_SUCCESS:
            why = f": {end.run.error.type}: {end.run.error.message}" if end.run.HasField("error") else "."
            raise DemoError(f"The run ended in {status}{why}")
        return 0

    def _title(self, text: str) -> None:
        self._print(Text(f"\n{text}\n", style="bold"))

    def _markdown(self, text: str) -> None:
        """Set where there is a terminal, the text itself elsewhere."""
        if not self._console.is_terminal:
            self._console.print(Text(text), soft_wrap=True)
            return
        from rich.markdown import Markdown

        self._print(Markdown(text))

    def _print(self, what: RenderableType) -> None:
        self._console.print(what)
