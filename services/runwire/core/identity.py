"""Who calls: the tenant whose rows a call may see."""

from __future__ import annotations

from typing import Any

import grpc

from runwire.core.ids import DEFAULT_TENANT


def tenant_of(context: grpc.aio.ServicerContext[Any, Any]) -> str:
    """The caller's tenant. Without access control every caller is of the default tenant."""
    del context
    return DEFAULT_TENANT
