"""Cutting a document into sections of bounded size: at headings, else between paragraphs, lines or words."""

import re
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import NamedTuple

from document.state import Section

LONGEST = 6_000  # characters of a section
MOST = 300  # sections of a document; in a longer list, short neighbours share a section
ALWAYS_CUT = 2  # headings up to this level start a section, however short it is
HEADING = re.compile(r"^(#{1,6})[ \t]+(\S.*)$", re.MULTILINE)
FENCE = re.compile(r"^[ \t]*(```|~~~).*?(?:^[ \t]*\1[`~]*[ \t\r]*$|\Z)", re.MULTILINE | re.DOTALL)


class Heading(NamedTuple):
    level: int
    title: str
    start: int


Piece = tuple[Heading, int]  # where it ends


def split(text: str, title: str) -> list[Section]:
    """Return the sections of a document in order; together they cover everything but blank pieces."""
    pieces = _cut(text, headings(text), Heading(0, title, 0), len(text))
    worded = (piece for piece in pieces if re.search(r"\w", text[piece[0].start : piece[1]]))
    return [
        Section(index=index, title=heading.title, level=heading.level, start=heading.start, end=end)
        for index, (heading, end) in enumerate(_join(worded, len(text) // MOST))
    ]


def headings(text: str) -> list[Heading]:
    """Return the Markdown headings of a text, leaving out what only looks like one inside a code block."""
    without_code = FENCE.sub(lambda code: re.sub(r"[^\n]", " ", code[0]), text)
    return [
        Heading(len(match[1]), match[2].rstrip().rstrip("#").rstrip(), match.start())
        for match in HEADING.finditer(without_code)
    ]


def _cut(text: str, inner: list[Heading], top: Heading, end: int) -> Iterator[Piece]:
    """Yield the pieces between `top` and `end`, cut at the highest headings, and deeper where too long."""
    level = min((heading.level for heading in inner), default=None)
    if level is None or (end - top.start <= LONGEST and level > ALWAYS_CUT):
        yield from _pack(text, top, end)
        return
    cuts = [index for index, heading in enumerate(inner) if heading.level == level]
    yield from _cut(text, inner[: cuts[0]], top, inner[cuts[0]].start)
    for index, following in pairwise([*cuts, len(inner)]):
        stop = inner[following].start if following < len(inner) else end
        yield from _cut(text, inner[index + 1 : following], inner[index], stop)


def _pack(text: str, heading: Heading, end: int) -> Iterator[Piece]:
    """Yield one piece, or several of bounded size that bear the heading's title and a number."""
    part, start = 1, heading.start
    while start < end:
        stop = _stop(text, start, end)
        title = heading.title if part == 1 else f"{heading.title} ({part})"
        yield Heading(heading.level, title, start), stop
        part, start = part + 1, stop


def _stop(text: str, start: int, end: int) -> int:
    limit = start + LONGEST
    if end <= limit:
        return end
    marks = ((mark, text.rfind(mark, start + LONGEST // 4, limit)) for mark in ("\n\n", "\n", " "))
    return next((found + len(mark) for mark, found in marks if found >= 0), limit)


def _join(pieces: Iterable[Piece], shortest: int) -> list[Piece]:
    """Let a piece shorter than `shortest` take in the next one."""
    joined: list[Piece] = []
    for heading, end in pieces:
        last = joined[-1] if joined else None
        if last and last[1] - last[0].start < shortest:
            title = f"{last[0].title.removesuffix(' …')} …"
            joined[-1] = (last[0]._replace(title=title), end)
        else:
            joined.append((heading, end))
    return joined
