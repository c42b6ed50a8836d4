"""The command `runwire`: starts the processes, one by one or all together, and shows what they can do.

Owns the processes that it starts, their logs and what is said in the terminal. It never takes part in their work: it
talks to them as any client does, and imports neither langgraph nor a user's code.
"""

import os
import time

BEGAN = time.monotonic()
"""When the command began, as near as Python code can tell."""


def main() -> None:
    """Runs the command line and exits."""
    # gRPC would say at each start of a process that it can't be forked, which nobody does.
    os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
    from runwire.cli.commands import app

    app()
