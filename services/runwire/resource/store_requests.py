"""What requests about store items may say, and what they ask for. No IO."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import orjson

from runwire.api.resource.v1.store_pb2 import (
    DeleteItemRequest,
    GetItemRequest,
    ItemCondition,
    ItemOperator,
    ListNamespacesRequest,
    PutItemRequest,
    SearchItemsRequest,
)
from runwire.core.checks import METADATA_LIMIT, Checks
from runwire.core.expiry import LONGEST, SHORTEST
from runwire.core.paging import Place, binding
from runwire.resource.listing import PageRequest
from runwire.resource.store import Condition, NamespaceFilter

_LABELS = 32
_NAMESPACE_BYTES = 1024
_KEY_BYTES = 512
_VALUE_BYTES = 1024 * 1024
_CONDITIONS = 32
_ITEMS_ON_A_PAGE = 10
_NAMESPACES_ON_A_PAGE = 100
_RESERVED = "langgraph"

_OPERATORS = {
    ItemOperator.ITEM_OPERATOR_UNSPECIFIED: "$eq",
    ItemOperator.ITEM_OPERATOR_EQUAL: "$eq",
    ItemOperator.ITEM_OPERATOR_NOT_EQUAL: "$ne",
    ItemOperator.ITEM_OPERATOR_GREATER: "$gt",
    ItemOperator.ITEM_OPERATOR_GREATER_OR_EQUAL: "$gte",
    ItemOperator.ITEM_OPERATOR_LESS: "$lt",
    ItemOperator.ITEM_OPERATOR_LESS_OR_EQUAL: "$lte",
}
_EQUALITIES = ("$eq", "$ne")


def check_item(request: PutItemRequest | GetItemRequest | DeleteItemRequest) -> None:
    """Checks which item."""
    checks = Checks()
    _check_item(checks, request)
    checks.done()


def check_put(request: PutItemRequest) -> None:
    """Checks an item to write."""
    checks = Checks()
    _check_item(checks, request)
    if checks.require("value", request.HasField("value")):
        checks.json("value", request, limit=_VALUE_BYTES, must_be_object=True)
    if request.HasField("ttl"):
        checks.duration("ttl", request.ttl, SHORTEST, LONGEST)
    if request.index.paths:
        checks.unsupported("index.paths")
        if request.index.off:
            checks.add("index.off", "FIELDS_CONFLICT", "excludes index.paths")
    checks.done()


def ttl(request: PutItemRequest) -> timedelta | None:
    """The time to live that a request asks for."""
    return request.ttl.ToTimedelta() if request.HasField("ttl") else None


def _check_item(checks: Checks, request: PutItemRequest | GetItemRequest | DeleteItemRequest) -> None:
    if checks.require("namespace", request.namespace):
        _check_labels(checks, "namespace", request.namespace)
        if request.namespace[0] == _RESERVED:
            checks.add("namespace[0]", "FIELD_INVALID", f"{_RESERVED} is reserved")
    if checks.require("key", request.key):
        checks.text("key", request.key, _KEY_BYTES)


def _check_labels(checks: Checks, field: str, labels: Sequence[str]) -> None:
    checks.length(field, labels, 0, _LABELS)
    for index, label in enumerate(labels[:_LABELS]):
        if not label or "." in label or "\0" in label:
            checks.add(f"{field}[{index}]", "FIELD_INVALID", "must not be empty, nor contain a dot or U+0000")
    if len(".".join(labels).encode()) > _NAMESPACE_BYTES:
        checks.add(field, "PAYLOAD_TOO_LARGE", f"must be at most {_NAMESPACE_BYTES} bytes in all")


def search(request: SearchItemsRequest) -> tuple[list[Condition], PageRequest]:
    """What items have to fulfil, and which page of them."""
    checks = Checks()
    _check_labels(checks, "namespace_prefix", request.namespace_prefix)
    checks.length("conditions", request.conditions, 0, _CONDITIONS)
    for index, condition in enumerate(request.conditions[:_CONDITIONS]):
        _check_condition(checks, f"conditions[{index}]", condition)
    if request.query:
        checks.unsupported("query")
    page = _page(checks, request, _ITEMS_ON_A_PAGE, datetime, _is_item)
    checks.done()
    return [_condition(condition) for condition in request.conditions], page


def _check_condition(checks: Checks, field: str, condition: ItemCondition) -> None:
    if checks.require(f"{field}.key", condition.key):
        checks.text(f"{field}.key", condition.key, METADATA_LIMIT)
    checks.enum(f"{field}.operator", ItemOperator, condition.operator)
    if not checks.require(f"{field}.operand", condition.HasField("operand")):
        return
    before = len(checks.violations)
    operand = checks.json(f"{field}.operand", condition)
    has_size = isinstance(operand, int | float | str) and not isinstance(operand, bool)
    if len(checks.violations) == before and _OPERATORS.get(condition.operator) not in _EQUALITIES and not has_size:
        checks.add(f"{field}.operand", "FIELD_INVALID", "must be a number or a text for this operator")


def _condition(condition: ItemCondition) -> Condition:
    return Condition(condition.key, _OPERATORS[condition.operator], condition.operand.text)


def namespaces(request: ListNamespacesRequest) -> tuple[NamespaceFilter, PageRequest]:
    """Which namespaces, and which page of them."""
    checks = Checks()
    _check_labels(checks, "prefix", request.prefix)
    _check_labels(checks, "suffix", request.suffix)
    checks.number("max_depth", request.max_depth, 0, _LABELS)
    page = _page(checks, request, _NAMESPACES_ON_A_PAGE, int, _is_namespace)
    checks.done()
    return NamespaceFilter(request.prefix, request.suffix, request.max_depth), page


def _page(checks: Checks, request: Any, default: int, key: type, is_place: Callable[[Any], bool]) -> PageRequest:
    size, after = checks.page(request, default=default, key=key)
    if after is not None and not is_place(_parsed(after)):
        checks.add("page_token", "INVALID_PAGE_TOKEN", "is not a token of this server")
    return PageRequest(size=size, after=after, bound_to=binding(request))


def _parsed(place: Place) -> Any:
    try:
        return orjson.loads(place.row_id)
    except orjson.JSONDecodeError:
        return None


def _is_item(parsed: Any) -> bool:
    return _is_namespace(parsed) and len(parsed) == 2


def _is_namespace(parsed: Any) -> bool:
    return isinstance(parsed, list) and all(isinstance(text, str) and "\0" not in text for text in parsed)
