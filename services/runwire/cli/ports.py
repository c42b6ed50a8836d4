"""Which ports the processes listen on."""

import random
import socket
from collections.abc import Collection

from runwire.cli.errors import StackError

# Below the range from which systems choose the ports of outgoing connections, and beside the embedded servers'.
_PORTS = range(10_000, 15_000)


def free_port(host: str, taken: Collection[int] = ()) -> int:
    """A port that nothing listens on now, and that is not in `taken`."""
    for port in random.sample(_PORTS, 500):
        if port not in taken and is_free(host, port):
            return port
    raise StackError(f"No free port between {_PORTS.start} and {_PORTS.stop} could be found.")


def is_free(host: str, port: int) -> bool:
    """Whether a server could listen on the port."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True
