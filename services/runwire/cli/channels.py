"""How the commands reach the services."""

from __future__ import annotations

import grpc

from runwire.cli.caller import Caller
from runwire.cli.errors import StackError
from runwire.core.settings import Settings

# A port that nothing listens on yet is tried again at once, not after gRPC's usual second.
IMPATIENT = [
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.min_reconnect_backoff_ms", 50),
    ("grpc.max_reconnect_backoff_ms", 100),
]


def channel(address: str, settings: Settings) -> grpc.aio.Channel:
    """A channel to a service that was started with these settings. StackError when a file can't be read."""
    if not settings.encrypts:
        return grpc.aio.insecure_channel(address, options=IMPATIENT)
    # Not earlier: only TLS needs it.
    from runwire.client import tls

    caller = Caller()
    try:
        credentials = tls(
            ca=caller.caller_ca or None, certificate=caller.caller_certificate or None, key=caller.caller_key or None
        )
    except (OSError, ValueError) as error:
        raise StackError(f"RUNWIRE_CALLER_CA, RUNWIRE_CALLER_CERTIFICATE and RUNWIRE_CALLER_KEY: {error}") from error
    return grpc.aio.secure_channel(address, credentials, options=IMPATIENT)
