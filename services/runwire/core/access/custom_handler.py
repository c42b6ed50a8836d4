"""What a `langgraph_sdk.Auth` object says, as far as it can be honoured. Only `custom_process` has such an object."""

from __future__ import annotations

import asyncio
import inspect
import re
from collections.abc import Iterable, Mapping
from typing import Any

from langgraph_sdk import Auth

from runwire.core.access.grants import TENANT
from runwire.core.ids import DEFAULT_TENANT
from runwire.core.scopes import EVERYTHING, is_grant

_PARAMETERS = ("authorization", "headers", "method", "path")


class Unusable(Exception):
    """An object that can't be honoured; the text says why."""


class Nobody(Exception):
    """A user that is no caller; the text says why."""


class Headers(dict[bytes, bytes]):
    """A call's metadata as handlers know headers: bytes. Names may be given as text, since both are documented."""

    def __getitem__(self, name: Any) -> bytes:
        return super().__getitem__(_bytes(name))

    def __contains__(self, name: Any) -> bool:
        return super().__contains__(_bytes(name))

    def get(self, name: Any, default: Any = None) -> Any:
        """The value; names are lower-case."""
        return super().get(_bytes(name), default)

    def add(self, name: str, value: str) -> None:
        """One entry. As in HTTP, a repeated name has its values in one, so that none hides another."""
        key, added = _bytes(name), value.encode("latin-1", "replace")
        self[key] = self[key] + b", " + added if key in self else added


def check(found: Any) -> None:
    """Whether all that the object asks for can be honoured. Raises Unusable."""
    if not isinstance(found, Auth):
        raise Unusable(f"it is a {type(found).__name__}, not a langgraph_sdk.Auth")
    if found._authenticate_handler is None:
        raise Unusable("it has no @auth.authenticate")
    handlers = ["@auth.on" for _ in found._global_handlers]
    handlers += [f"@auth.on.{resource}.{action}".replace(".*", "") for resource, action in found._handlers]
    if handlers:
        raise Unusable(
            f"{', '.join(sorted(handlers))} would not be asked. A tenant separates what belongs to each caller, and"
            " permissions become scopes: see docs/access.md"
        )
    others = [name for name in inspect.signature(found._authenticate_handler).parameters if name not in _PARAMETERS]
    if others:
        raise Unusable(f"@auth.authenticate asks for {', '.join(others)}, and can be told {', '.join(_PARAMETERS)}")


async def asked(
    auth: Auth, method: str, headers: Iterable[tuple[str, str]], tenant_key: str
) -> Mapping[str, Any] | None:
    """The caller of a method. None: the handler refuses. Whatever else the handler raises is raised; Nobody as well."""
    handler: Any = auth._authenticate_handler
    known = Headers()
    for name, value in headers:
        known.add(name, value)
    authorization = known.get(b"authorization")
    told = {
        "authorization": None if authorization is None else authorization.decode("latin-1"),
        "headers": known,
        # As HTTP/2 has every gRPC call.
        "method": "POST",
        "path": method,
    }
    arguments = {name: told[name] for name in inspect.signature(handler).parameters}
    try:
        if inspect.iscoroutinefunction(handler):
            user = await handler(**arguments)
        else:
            user = await asyncio.to_thread(handler, **arguments)
            user = await user if inspect.isawaitable(user) else user
    except AssertionError:
        return None
    except Auth.exceptions.HTTPException as error:
        if error.status_code >= 500:
            raise
        return None
    return _caller(user, tenant_key)


def _caller(user: Any, tenant_key: str) -> Mapping[str, Any] | None:
    if isinstance(user, str):
        user = {"identity": user}
    if user is None or _of(user, "is_authenticated", True) is not True:
        return None
    identity = _of(user, "identity", None)
    if not isinstance(identity, str) or not identity:
        raise Nobody("the user has no identity")
    tenant = _of(user, tenant_key, None) if tenant_key else DEFAULT_TENANT
    if not isinstance(tenant, str) or not re.fullmatch(TENANT, tenant):
        raise Nobody(f"the user's {tenant_key} is no name of a tenant")
    # A user without the field may do everything, as in LangGraph Platform.
    return {"identity": identity, "tenant": tenant, "scopes": _scopes(_of(user, "permissions", [EVERYTHING]))}


def _scopes(permissions: Any) -> list[str]:
    """The permissions that are grants. Nobody: they are no list; None, as a database's NULL, is none either."""
    if isinstance(permissions, str) or not isinstance(permissions, Iterable):
        raise Nobody("the user's permissions are no list")
    return sorted({text for text in permissions if isinstance(text, str) and is_grant(text)})


def _of(user: Any, name: str, otherwise: Any) -> Any:
    if isinstance(user, Mapping):
        return user.get(name, otherwise)
    try:
        return getattr(user, name)
    except AttributeError:
        # Of a property that failed: its user has the field.
        if hasattr(type(user), name):
            raise
        return otherwise


def _bytes(text: Any) -> bytes:
    return text.lower().encode("latin-1") if isinstance(text, str) else text
