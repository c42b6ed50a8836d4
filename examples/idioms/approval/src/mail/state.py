"""What is proposed, and what becomes of it."""

from typing import Literal

from typing_extensions import TypedDict


class Action(TypedDict):
    """A mail to send."""

    to: str
    subject: str
    body: str


class Decision(TypedDict, total=False):
    """What a person answers: approve, edit (with what is to change), or reject (with a reason)."""

    type: Literal["approve", "edit", "reject"]
    args: dict
    reason: str


class MailState(TypedDict, total=False):
    """From the request to the outcome."""

    request: str
    action: Action
    outcome: str
