"""What can honestly be said about a piece of English text with counting and patterns alone."""

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator

from document.splitting import FENCE, headings
from document.state import Figures, Finding, KeySentence

LONG_SENTENCE = 40  # words
WORD = re.compile(r"[^\W\d_](?:[\w'\u2019-]*\w)?")
SENTENCE_END = re.compile(r"(?:(?<=[.!?])|(?<=[.!?][\"”)]))\s+(?=[\"“(]?[A-Z0-9])")
LINK = re.compile(r"\[[^\[\]\n]*\]\(<?([^()\s<>]+)>?(?:\s[^()\n]*)?\)|<?(https?://[^\s<>)\]]+)")
UNIT = r"(?:\s?(?:ms|s|min|h|kB|KB|MB|GB|mm|cm|m|km|kg|per cent)\b|\s?%)"
NUMBER = re.compile(rf"(?<![\w.-])[$€£]?\d[\d,]*(?:\.\d+)?{UNIT}?(?![\w-])")
MONTH = r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]*\.?"
DATE = re.compile(rf"\b(?:\d{{4}}-\d\d-\d\d|\d{{1,2}} {MONTH} \d{{4}}|{MONTH} \d{{1,2}}, \d{{4}})\b")
# Only where the doer is named: without "by", a pattern can't tell a passive from an adjective.
PASSIVE = re.compile(
    r"\b(?:is|are|was|were|be|been|being)\s+(?:\w+ly\s+)?"
    r"(?:\w{2,}ed|done|given|held|kept|made|read|sent|shown|taken|written)\s+by\b",
    re.IGNORECASE,
)
REPEATED = re.compile(r"\b([A-Za-z]{2,})\s+\1\b(?!-)", re.IGNORECASE)
NAMED = re.compile(r"(?:id|name)=[\"']([^\"'\s]+)|\{#([^{}\s]+)\}")
UNFINISHED = re.compile(r"\b(?:TODO|FIXME|TBD|XXX)\b.{0,60}")
COMMON_WORDS = """
    a about above after again all also although always an and any are aren't as at back be because been
    before being below between both but by can can't cannot could did do does doesn't don't done during each
    either else even ever every few first for from get give given go goes had has have he hence her here his
    how however i if in instead into is isn't it its itself just last less let like made make makes many may
    might more most much must my need needs neither never new next no nor not nothing now of off often on
    once one only or other others our out over own per put rather said same say says see set shall she
    should since so some something still such take takes than that the their them then there therefore these
    they thing things this those though through thus to too two under unless until up upon us use used uses
    using very via was way we well were what when where whether which while who whole whose why will with
    within without won't would yes yet you your
"""
COMMON = frozenset(COMMON_WORDS.split())


def prose(text: str) -> str:
    """Return a text without code blocks, tables, headings, markup and addresses."""
    text = FENCE.sub("\n\n", text)
    text = re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL)
    text = re.sub(r"^[ \t]*(?:\|.*|#{1,6}\s.*|[-=*_]{3,}\s*)$", "\n", text, flags=re.MULTILINE)
    text = re.sub(r"^[ \t]*(?:[-*+>]|\d+[.)])[ \t]+", "\n", text, flags=re.MULTILINE)
    text = re.sub(r"!?\[([^\[\]\n]*)\](?:\([^()\n]*\)|\[[^\[\]\n]*\])", r"\1", text)
    return re.sub(r"https?://\S+|[`*]+|\b_+|_+\b", "", text)


def sentences(text: str) -> list[str]:
    """Return the sentences of a text's prose; a sentence never crosses a paragraph or a list item."""
    blocks = (" ".join(block.split()) for block in re.split(r"\n\s*\n", prose(text)))
    pieces = (piece for block in blocks for piece in SENTENCE_END.split(block))
    return [piece for piece in pieces if len(WORD.findall(piece)) >= 3]


def terms(text: str) -> Counter[str]:
    """Count the words of a text's prose that carry meaning."""
    words = (_plain(word) for word in WORD.findall(prose(text)))
    return Counter(word for word in words if len(word) > 2 and word not in COMMON)


def keywords(counts: Counter[str], spread: dict[str, int], total: int, limit: int = 12) -> dict[str, float]:
    """Score terms by TF-IDF: frequent here and in few of the `total` sections; best first."""
    scores = {term: count * math.log(1 + total / spread.get(term, 1)) for term, count in counts.items()}
    best = sorted(scores, key=lambda term: (-scores[term], term))[:limit]
    return {term: round(scores[term], 3) for term in best}


def key_sentences(text: str, weights: dict[str, float], limit: int = 3) -> list[KeySentence]:
    """Return the sentences that say most about the section's keywords; length alone earns nothing."""
    quotable = (sentence for sentence in sentences(text) if 6 <= len(sentence.split()) <= LONG_SENTENCE)
    scored = [KeySentence(text=sentence, score=_score(sentence, weights)) for sentence in quotable]
    return sorted(scored, key=lambda sentence: -sentence["score"])[:limit]


def figures(text: str) -> Figures:
    """Return the counts of a piece, and the numbers, dates and links in it."""
    plain = prose(text)
    said = sentences(text)
    words = WORD.findall(plain)
    without_dates = DATE.sub(" ", plain)
    return Figures(
        words=len(words),
        sentences=len(said),
        reading_ease=reading_ease(words, len(said)),
        numbers=_distinct(match[0] for match in NUMBER.finditer(without_dates)),
        dates=_distinct(match[0] for match in DATE.finditer(plain)),
        links=_distinct(_links(text)),
    )


def reading_ease(words: list[str], sentence_count: int) -> float | None:
    """Return Flesch's reading ease, about 100 for easy and 0 for hard; None for too little text."""
    if not sentence_count or len(words) < 20:
        return None
    syllables = sum(_syllables(word) for word in words)
    return round(206.835 - 1.015 * len(words) / sentence_count - 84.6 * syllables / len(words), 1)


def findings(text: str, section: str) -> list[Finding]:
    """Return what an editor should look at in a piece."""
    found: list[Finding] = []
    for sentence in sentences(text):
        if len(WORD.findall(sentence)) > LONG_SENTENCE:
            found.append(Finding(kind="long sentence", section=section, text=_shorten(sentence)))
        if PASSIVE.search(sentence):
            found.append(Finding(kind="passive voice", section=section, text=_shorten(sentence)))
        for match in REPEATED.finditer(sentence):
            found.append(Finding(kind="repeated word", section=section, text=match[0]))
    for match in UNFINISHED.finditer(text):
        found.append(Finding(kind="unfinished", section=section, text=match[0].strip()))
    return found


def dead_anchors(text: str) -> set[str]:
    """Return the links inside the document (`#name`) that lead to no heading and no named anchor."""
    targets = {_slug(heading.title) for heading in headings(text)}
    targets.update(match[1] or match[2] for match in NAMED.finditer(text))
    links = {link for link in _links(text) if link.startswith("#")}
    return {link for link in links if not {link[1:], re.sub(r"-\d+$", "", link[1:])} & targets}


def similar(one: str, other: str) -> bool:
    """Whether two sentences say nearly the same: more than half of their terms are shared."""
    first, second = set(terms(one)), set(terms(other))
    return len(first & second) > 0.5 * len(first | second)


def _links(text: str) -> Iterator[str]:
    for match in LINK.finditer(FENCE.sub("", text)):
        yield (match[1] or match[2]).rstrip(".,;")


def _plain(word: str) -> str:
    """Return a word in lower case, without a possessive s."""
    return word.lower().replace("\u2019", "'").removesuffix("'s")


def _score(sentence: str, weights: dict[str, float]) -> float:
    found = {_plain(word) for word in WORD.findall(sentence)} & weights.keys()
    return round(sum(weights[word] for word in found) / math.sqrt(12 + len(sentence.split())), 3)


def _syllables(word: str) -> int:
    """Count groups of vowels, without a silent e at the end: right for most English words."""
    groups = re.findall(r"[aeiouy]+", word.lower().removesuffix("e"))
    return max(1, len(groups))


def _slug(title: str) -> str:
    """Return the anchor that GitHub gives a heading."""
    plain = re.sub(r"!?\[([^\[\]]*)\]\([^()]*\)", r"\1", title)
    return re.sub(r"[^\w\- ]", "", plain.lower()).strip().replace(" ", "-")


def _shorten(sentence: str, limit: int = 120) -> str:
    return sentence if len(sentence) <= limit else sentence[:limit].rsplit(" ", 1)[0] + " …"


def _distinct(found: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(found))
