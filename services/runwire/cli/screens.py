"""The terminal: lines, a line that grows token by token, and a progress bar; plain lines where there is no terminal."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn
from rich.text import Text

_STYLES = {
    "started": "green",
    "update": "cyan",
    "progress": "blue",
    "custom": "blue",
    "message": "magenta",
    "tool call": "yellow",
    "tool result": "yellow",
    "interrupted": "bold yellow",
    "gap": "bold red",
}
_REFRESH_RATE = 15.0


def screen_of(console: Console, *, began: float) -> Screen:
    """The screen for where the output goes; times are counted from `began`, of the monotonic clock."""
    return LiveScreen(console, began) if console.is_terminal else Screen(console, began)


class Screen:
    """Plain lines, each written as soon as it is known. Times are in seconds."""

    def __init__(self, console: Console, began: float) -> None:
        self.console = console
        self._began = began
        self._growing = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end_line()

    def note(self, text: str) -> None:
        """Writes what is not an event."""
        self._print(Text(text))

    def line(self, kind: str, text: str) -> None:
        """Writes one event."""
        self._print(self._head(kind).append(text))

    def begin_line(self, kind: str, text: str = "") -> None:
        """Begins an event that comes in pieces."""
        self.end_line()
        self._growing = True
        self._write(f"{self._head(kind).plain}{text}")

    def add(self, text: str) -> None:
        """A further piece of it."""
        self._write(text)

    def end_line(self) -> None:
        """The event is complete; without one this does nothing."""
        if self._growing:
            self._growing = False
            self._write("\n")

    def progress(self, done: int, total: int) -> None:
        """How far the run is."""

    def _print(self, text: Text) -> None:
        self.console.print(text, soft_wrap=not self.console.is_terminal)

    def _write(self, text: str) -> None:
        self.console.file.write(text)
        self.console.file.flush()

    def _head(self, kind: str) -> Text:
        head = Text(f"{time.monotonic() - self._began:8.3f}  ")
        head.append(f"{kind:<11}  ", style=_STYLES.get(kind, "bold"))
        return head


class LiveScreen(Screen):
    """What grows and the progress bar stay at the foot of the terminal; lines scroll above them."""

    def __init__(self, console: Console, began: float) -> None:
        super().__init__(console, began)
        self._line: Text | None = None
        self._bar = Progress(
            TextColumn("{task.description}", style="blue"), BarColumn(), MofNCompleteColumn(), auto_refresh=False
        )
        self._task: TaskID | None = None
        self._live = Live(get_renderable=self._foot, console=console, refresh_per_second=_REFRESH_RATE, transient=True)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end_line()
        self._live.stop()

    def begin_line(self, kind: str, text: str = "") -> None:
        self.end_line()
        self._line = self._head(kind).append(text)

    def add(self, text: str) -> None:
        if self._line is not None:
            self._line.append(text)

    def end_line(self) -> None:
        if self._line is not None:
            line, self._line = self._line, None
            # The foot is drawn again below what is printed, and would show the line a second time.
            self._live.refresh()
            self._print(line)

    def progress(self, done: int, total: int) -> None:
        if self._task is None:
            self._task = self._bar.add_task("sections", total=total)
        self._bar.update(self._task, completed=done, total=total)

    def _foot(self) -> RenderableType:
        return self._bar if self._line is None else Group(self._line, self._bar)
