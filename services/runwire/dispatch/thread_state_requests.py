"""Requests about threads' states: checked, and as workers get them."""

from __future__ import annotations

from runwire.api.dispatch.v1.thread_state_pb2 import (
    GetThreadStateRequest,
    ListThreadHistoryRequest,
    ListThreadHistoryResponse,
    UpdateThreadStateRequest,
)
from runwire.core import paging
from runwire.core.checks import METADATA_LIMIT, NAMESPACE_LIMIT, Checks

_NODE_BYTES = 1024
_MAX_UPDATES = 64
_DEFAULT_PAGE = 10
_MAX_PAGE = 100


def check_get(request: GetThreadStateRequest) -> None:
    """Raises InvalidRequest."""
    checks = Checks()
    checks.identifier("thread_id", request.thread_id)
    checks.checkpoint("checkpoint", request.checkpoint)
    checks.done()


def check_update(request: UpdateThreadStateRequest) -> None:
    """Raises InvalidRequest."""
    checks = Checks()
    checks.identifier("thread_id", request.thread_id)
    checks.checkpoint("checkpoint", request.checkpoint)
    checks.length("updates", request.updates, 1, _MAX_UPDATES)
    for number, update in enumerate(request.updates[:_MAX_UPDATES]):
        checks.json(f"updates[{number}].values", update)
        checks.text(f"updates[{number}].as_node", update.as_node, _NODE_BYTES)
    checks.done()


def page_of_history(request: ListThreadHistoryRequest) -> ListThreadHistoryRequest:
    """The request as a worker gets it: the page's size, and the place before which it begins. Raises InvalidRequest."""
    checks = Checks()
    checks.identifier("thread_id", request.thread_id)
    size, place = checks.page(request, default=_DEFAULT_PAGE, largest=_MAX_PAGE, key=str)
    checks.checkpoint("before", request.before, id_required=request.HasField("before"))
    if request.before.checkpoint_ns not in ("", request.checkpoint_ns):
        checks.add("before.checkpoint_ns", "FIELD_INVALID", "must be `checkpoint_ns`")
    checks.text("checkpoint_ns", request.checkpoint_ns, NAMESPACE_LIMIT)
    checks.json("metadata_contains", request, limit=METADATA_LIMIT, must_be_object=True)
    checks.done()
    page = ListThreadHistoryRequest()
    page.CopyFrom(request)
    page.page_size = size
    if place is not None:
        page.ClearField("page_token")
        page.before.checkpoint_id = str(place.key)
    return page


def with_token(response: ListThreadHistoryResponse, request: ListThreadHistoryRequest) -> ListThreadHistoryResponse:
    """The worker's page, which names its last checkpoint where there are more, with a token of this server."""
    if response.next_page_token:
        place = paging.Place(response.next_page_token, "")
        response.next_page_token = paging.encode(place, paging.binding(request))
    return response
