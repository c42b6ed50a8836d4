"""Joining the analyses of all sections into a draft, and writing the report from it."""

import math
from collections import Counter
from itertools import islice

from document import analysis
from document.state import Analysis, Decision, Draft, Finding, KeySentence, OutlineEntry

WORDS_PER_MINUTE = 220
KEY_POINTS = 7


def draft(title: str, text: str, analyses: list[Analysis]) -> Draft:
    """Return the outline, the ranked key points and the findings of the whole document."""
    ordered = sorted(analyses, key=lambda one: one["index"])
    words = sum(one["figures"]["words"] for one in ordered)
    keywords = document_keywords(ordered)
    return Draft(
        title=title,
        words=words,
        reading_minutes=math.ceil(words / WORDS_PER_MINUTE),
        reading_ease=_average_ease(ordered),
        keywords=keywords,
        key_points=key_points(ordered, keywords),
        outline=[_outline_entry(one) for one in ordered],
        findings=[*(finding for one in ordered for finding in one["findings"]), *_dead_links(text, ordered)],
    )


def document_keywords(analyses: list[Analysis], limit: int = 10) -> list[str]:
    """Return the terms with the highest sum of scores over all sections; no plural beside its singular."""
    scores: Counter[str] = Counter()
    for one in analyses:
        scores.update(one["keywords"])
    plurals = {term for term in scores if term.endswith("s") and term[:-1] in scores}
    return list(islice((term for term, _ in scores.most_common() if term not in plurals), limit))


def key_points(analyses: list[Analysis], keywords: list[str]) -> list[str]:
    """Return the best sentences, best first: at most two of a section, and none that repeats another."""
    candidates = [sentence for one in analyses for sentence in one["sentences"][:2]]
    chosen: list[str] = []
    for candidate in sorted(candidates, key=lambda sentence: -_importance(sentence, keywords)):
        if not any(analysis.similar(candidate["text"], point) for point in chosen):
            chosen.append(candidate["text"])
        if len(chosen) == KEY_POINTS:
            break
    return chosen


def apply_edits(draft: Draft, decision: Decision) -> Draft:
    return {**draft, **(decision.get("edits") or {})}


def report(draft: Draft, decision: Decision) -> str:
    """Return the report in Markdown; that of a rejected draft has the rejection instead of its points."""
    head = f"# Report: {draft['title']}\n"
    note = f"\n> {decision['note']}\n" if decision.get("note") else ""
    if not decision["approved"]:
        return f"{head}\n**Status:** rejected. The draft's key points are withheld.\n{note}"
    return "\n".join(
        [
            f"{head}\n**Status:** approved\n{note}",
            _figures(draft),
            "## Key points\n",
            *(f"{rank}. {point}" for rank, point in enumerate(draft["key_points"], 1)),
            "\n## Outline\n",
            *(_outline_line(entry) for entry in draft["outline"]),
            "\n## To look at\n",
            *(_findings(draft["findings"]) or ["Nothing was found."]),
            "",
        ]
    )


def facts(draft: Draft, decision: Decision) -> str:
    """Return what the closing paragraph may say, as `Name: value` lines."""
    lines = {
        "Title": draft["title"],
        "Decision": "approved" if decision["approved"] else "rejected",
        "Sections": len(draft["outline"]),
        "Keywords": ", ".join(draft["keywords"][:3]),
        "Findings": len(draft["findings"]),
    }
    return "\n".join(f"{name}: {value}" for name, value in lines.items())


def _figures(draft: Draft) -> str:
    ease = "not known" if draft["reading_ease"] is None else f"{draft['reading_ease']} (Flesch)"
    return (
        f"{draft['words']} words in {len(draft['outline'])} sections, "
        f"about {draft['reading_minutes']} min to read; reading ease {ease}.\n\n"
        f"Keywords: {', '.join(draft['keywords'])}\n"
    )


def _outline_entry(one: Analysis) -> OutlineEntry:
    return OutlineEntry(
        title=one["title"],
        level=one["level"],
        words=one["figures"]["words"],
        keywords=list(one["keywords"])[:3],
    )


def _outline_line(entry: OutlineEntry) -> str:
    indent = "  " * max(0, entry["level"] - 1)
    about = f": {', '.join(entry['keywords'])}" if entry["keywords"] else ""
    return f"{indent}- {entry['title']} ({entry['words']} words){about}"


def _findings(findings: list[Finding], examples: int = 3) -> list[str]:
    """Return one line for each kind, most frequent first, with a few examples below it."""
    lines: list[str] = []
    for kind, count in Counter(finding["kind"] for finding in findings).most_common():
        some = [finding for finding in findings if finding["kind"] == kind][:examples]
        lines.append(f"- **{kind}**: {count}")
        lines.extend(f"  - {finding['section']}: {finding['text']}" for finding in some)
    return lines


def _importance(sentence: KeySentence, keywords: list[str]) -> float:
    return sentence["score"] * (1 + len(analysis.terms(sentence["text"]).keys() & set(keywords)))


def _average_ease(analyses: list[Analysis]) -> float | None:
    """Return the reading ease of all sections, weighted by their words."""
    figures = [one["figures"] for one in analyses]
    known = [(ease, one["words"]) for one in figures if (ease := one["reading_ease"]) is not None]
    if not known:
        return None
    return round(sum(ease * words for ease, words in known) / sum(words for _, words in known), 1)


def _dead_links(text: str, analyses: list[Analysis]) -> list[Finding]:
    dead = analysis.dead_anchors(text)
    return [
        Finding(kind="dead link", section=one["title"], text=link)
        for one in analyses
        for link in one["figures"]["links"]
        if link in dead
    ]
