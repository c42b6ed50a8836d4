"""What the document graph and its section subgraph keep in their states: plain JSON-shaped data."""

import operator
from typing import Annotated, Literal, NotRequired

from langgraph.channels import EphemeralValue
from langgraph.graph import MessagesState
from typing_extensions import TypedDict  # schemas of nested ones need it before Python 3.12


class Section(TypedDict):
    """A piece of the text, as offsets: the text itself is kept once."""

    index: int
    title: str
    level: int
    start: int
    end: int


class Figures(TypedDict):
    words: int
    sentences: int
    reading_ease: float | None
    numbers: list[str]
    dates: list[str]
    links: list[str]


class KeySentence(TypedDict):
    text: str
    score: float


class Finding(TypedDict):
    """Something an editor should look at."""

    kind: Literal["long sentence", "passive voice", "repeated word", "unfinished", "dead link"]
    section: str
    text: str


class Analysis(TypedDict):
    """All that is known about one section."""

    index: int
    title: str
    level: int
    figures: Figures
    keywords: dict[str, float]
    sentences: list[KeySentence]
    findings: list[Finding]


class OutlineEntry(TypedDict):
    title: str
    level: int
    words: int
    keywords: list[str]


class Draft(TypedDict):
    """What the approver sees."""

    title: str
    words: int
    reading_minutes: int
    reading_ease: float | None
    keywords: list[str]
    key_points: list[str]
    outline: list[OutlineEntry]
    findings: list[Finding]


class Edits(TypedDict):
    """Replacements for parts of the draft."""

    title: NotRequired[str]
    key_points: NotRequired[list[str]]


class Decision(TypedDict):
    """The approver's answer, given as the resume value."""

    approved: bool
    note: NotRequired[str | None]
    edits: NotRequired[Edits | None]


class DocumentInput(TypedDict):
    """A document; the title lasts for one step, so that the thread's next document does not inherit it."""

    text: str
    title: NotRequired[Annotated[str, EphemeralValue(str)]]


class DocumentState(MessagesState):
    text: str
    name: str
    sections: list[Section]
    analyses: Annotated[list[Analysis], operator.add]
    draft: Draft
    decision: Decision
    report: str


class DocumentOutput(TypedDict):
    report: str
    decision: Decision


class SectionInput(TypedDict):
    """One `Send`: a section, its text, and in how many sections each of its words occurs."""

    section: Section
    text: str
    total: int
    spread: dict[str, int]


class SectionState(SectionInput):
    figures: Figures
    keywords: dict[str, float]
    key_sentences: list[KeySentence]
    findings: list[Finding]


class SectionOutput(TypedDict):
    analyses: Annotated[list[Analysis], operator.add]
