"""An `auth` of a project, for tests: what a call shows says how it behaves."""

from __future__ import annotations

import os
from typing import Any

from langgraph_sdk import Auth

auth = Auth()


class User:
    """A user as an object."""

    identity = "object"
    is_authenticated = True
    tenant = "acme"


@auth.authenticate
async def authenticate(authorization: str | None, headers: Any, path: str, method: str) -> Any:
    """Whoever the token says."""
    if method != "POST" or not path.startswith(("/runwire.", "/grpc.")):
        raise ValueError("not a call")
    match authorization:
        case "Bearer alice":
            return {"identity": "alice", "tenant": "acme", "permissions": ["threads:read", "authenticated"]}
        case "Bearer everything":
            return {"identity": "bob", "tenant": "acme"}
        case "Bearer object":
            return User()
        case "Bearer broken-secret":
            raise RuntimeError(f"what the call showed: {authorization}")
        case "Bearer environment":
            hidden = "RUNWIRE_REDIS_URI" not in os.environ and "DATABASE_URI" not in os.environ
            return {"identity": "env", "tenant": "acme" if hidden and os.environ["OF_THE_PROJECT"] else None}
    if headers.get(b"x-api-key") == b"from-a-header" and headers["x-api-key"]:
        return {"identity": "carol", "tenant": "acme"}
    raise Auth.exceptions.HTTPException(status_code=401, detail="who?")
