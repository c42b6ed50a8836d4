"""Where a server may listen."""

from __future__ import annotations

from runwire.core.access import AccessError
from runwire.core.settings import Settings, is_loopback


def check_exposure(settings: Settings) -> None:
    """Beyond this machine, callers must be asked who they are, and credentials encrypted. Raises AccessError."""
    if is_loopback(settings.host):
        return
    if not settings.authenticates and not settings.allow_anonymous:
        raise AccessError(
            f"RUNWIRE_HOST={settings.host} can be reached from other machines, but no authentication is set up:"
            " set RUNWIRE_API_KEYS_FILE or another way of docs/access.md, or RUNWIRE_ALLOW_ANONYMOUS=true to let"
            " everybody in."
        )
    if settings.authenticates and not settings.encrypts and not settings.allow_plaintext:
        raise AccessError(
            f"RUNWIRE_HOST={settings.host} can be reached from other machines, but credentials would come in plain"
            " text: set RUNWIRE_TLS_CERTIFICATE and RUNWIRE_TLS_KEY, or RUNWIRE_ALLOW_PLAINTEXT=true where something"
            " else encrypts."
        )
