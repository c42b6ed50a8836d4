"""The snippets of a page, typed as a reader would type them."""

from __future__ import annotations

import ast
import asyncio
import codeop
import inspect
import io
import re
import sys
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).resolve().parents[2]
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$(?:\n*^```text\n(?P<output>.*?)^```$)?", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Snippet:
    """What stands between fences, and the block `text` right below it: what it must print."""

    page: str
    line: int
    language: str
    code: str
    output: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def snippets_of(page: Path) -> list[Snippet]:
    """All of them, in order."""
    text = page.read_text(encoding="utf-8")
    return [
        Snippet(
            page=str(page.relative_to(_ROOT)),
            line=text.count("\n", 0, match.start()) + 1,
            language=match[1],
            code=match[2],
            output=match["output"] or "",
        )
        for match in _FENCE.finditer(text)
    ]


class Typist:
    """Types the snippets of one page, in order and into one session, and reads what they print.

    `edit` may change the text before it is typed.
    """

    def __init__(self, edit: Callable[[str], str]) -> None:
        self._edit = edit
        self._names: dict[str, Any] = {"__name__": "__main__"}
        # As `python -m asyncio` has it.
        self._compile = codeop.CommandCompiler()
        self._compile.compiler.flags |= ast.PyCF_ALLOW_TOP_LEVEL_AWAIT

    async def type(self, snippet: Snippet) -> None:
        """Runs a snippet and compares what it prints."""
        code = self._edit(snippet.code)
        try:
            printed = await (self._python(code) if snippet.language == "python" else _shell(code))
        except BaseException as error:
            error.add_note(f"in the snippet at {snippet}")
            raise
        if printed and not printed.endswith("\n"):
            printed += "\n"
        expected = self._edit(snippet.output)
        assert re.fullmatch(_pattern(expected), printed), f"{snippet} printed\n{printed}\nand the page says\n{expected}"

    async def _python(self, code: str) -> str:
        printed = io.StringIO()
        with redirect_stdout(printed), _plain_echo():
            for statement in self._statements(code):
                result = eval(statement, self._names)
                if inspect.iscoroutine(result):
                    await result
        return printed.getvalue()

    def _statements(self, code: str) -> Iterator[Any]:
        """Line by line, until the prompt would take it; a blank line ends what is indented."""
        typed: list[str] = []
        for line in [*code.splitlines(), ""]:
            typed.append(line)
            statement = self._compile("\n".join(typed), "<page>", "single")
            if statement is not None:
                typed.clear()
                yield statement
        assert not typed, f"the prompt waits for more after {typed[0]!r}"


@contextmanager
def _plain_echo() -> Iterator[None]:
    """As at the prompt, the value of an expression is shown."""
    before = sys.displayhook
    sys.displayhook = lambda value: None if value is None else print(repr(value))
    try:
        yield
    finally:
        sys.displayhook = before


async def _shell(code: str) -> str:
    """In the project's folder, as the page has it."""
    process = await asyncio.create_subprocess_exec("bash", "-c", code, cwd=_ROOT, stdout=PIPE, stderr=STDOUT)
    printed, _ = await process.communicate()
    assert process.returncode == 0, printed.decode()
    return printed.decode()


def _pattern(expected: str) -> str:
    """… stands for anything in its line; alone in a line, for any lines."""
    lines = (
        r"(?:.*\n)*" if line.strip() == "…" else re.escape(line).replace("…", ".*") + r"\n"
        for line in expected.splitlines()
    )
    return "".join(lines)
