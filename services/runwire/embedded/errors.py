"""The one error of this package."""


class EmbeddedError(Exception):
    """An embedded server cannot be had; the message is one sentence that says what to do."""
