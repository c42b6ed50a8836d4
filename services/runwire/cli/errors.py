"""What stops a command."""


class StackError(Exception):
    """A process could not be started or does not answer; the text is a plain sentence for the terminal."""


class DemoError(Exception):
    """The demo can't go on; likewise."""
