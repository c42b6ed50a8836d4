"""What a call shows of itself."""

from __future__ import annotations

from collections.abc import Iterable

BEARER = "authorization"
API_KEY = "x-api-key"


def shown(metadata: Iterable[tuple[str, str | bytes]] | None) -> list[str]:
    """The credentials in a call's metadata: those of `authorization: Bearer …` and of `x-api-key: …`.

    What is there but can't be read as such counts as a credential that is nobody's, never as none.
    """
    found = []
    for name, value in metadata or ():
        if name not in (API_KEY, BEARER):
            continue
        assert isinstance(value, str), "gRPC gives bytes for names that end in -bin alone"
        if name == API_KEY:
            found.append(value)
        else:
            scheme, _, token = value.partition(" ")
            found.append(token.strip() if scheme.lower() == "bearer" else "")
    return found
