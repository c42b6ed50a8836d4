"""The document agent's offline model: has the report counted, then closes it with a paragraph."""

import re

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage

from scripted import ScriptedChatModel, call_tools


class ClosingModel(ScriptedChatModel):
    """Asks for the word count first; writes the paragraph from the prompt's facts and the tool's answer."""

    def reply(self, messages: list[BaseMessage], tools: frozenset[str]) -> AIMessage:
        if not isinstance(messages[-1], ToolMessage) and "word_count" in tools:
            return call_tools(("word_count", {"words_per_minute": 220}))
        prompt = next(message.text for message in reversed(messages) if isinstance(message, HumanMessage))
        return AIMessage(content=_paragraph(_facts(prompt), messages[-1].text))


def _facts(prompt: str) -> dict[str, str]:
    """Read the `Name: value` lines of the prompt."""
    return dict(re.findall(r"^(\w+): (.*)$", prompt, flags=re.MULTILINE))


def _paragraph(facts: dict[str, str], count: str) -> str:
    if facts["Decision"] == "rejected":
        return (
            f"The draft about “{facts['Title']}” was rejected, so this report says no more than that. "
            f"All {facts['Sections']} sections were read, and another run can prepare a new draft."
        )
    return (
        f"In short, “{facts['Title']}” was read in {facts['Sections']} sections and turns mostly on "
        f"{facts['Keywords']}. The points above are its own sentences, ranked by how much they say about "
        f"those terms. Places for an editor to look at: {facts['Findings']}. The report has {count}."
    )
