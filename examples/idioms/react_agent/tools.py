"""What the agent can do."""

import os
from typing import Annotated

from langchain_core.messages import ToolMessage
from langchain_core.tools import InjectedToolCallId, tool
from langgraph.types import Command

_CELSIUS = {"Oslo": 4, "Lagos": 31, "Lima": 19}


@tool
def temperature(city: str) -> str:
    """The temperature in a city now."""
    if city not in _CELSIUS:
        raise ValueError(f"no station in {city}")
    degrees = _CELSIUS[city]
    return f"{degrees} °C" if os.environ["UNITS"] == "celsius" else f"{degrees * 9 / 5 + 32:g} °F"


@tool
def note(text: str, tool_call_id: Annotated[str, InjectedToolCallId]) -> Command:
    """Keep a note beside the conversation."""
    return Command(update={"notes": [text], "messages": [ToolMessage(f"noted: {text}", tool_call_id=tool_call_id)]})


@tool
def book_flight(city: str) -> str:
    """Book a flight. Costs money."""
    return f"booked: {city}"
