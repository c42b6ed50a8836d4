"""The tables of scenarios and the comments of the protos name the same RPCs and errors. A difference is named."""

from __future__ import annotations

from runwire.api.type.v1.error_reason_pb2 import ErrorReason
from tests.contract.documented import WRONG, errors_of, reasons, rpcs
from tests.contract.rpcs import all_rpcs
from tests.contract.scenarios.every_rpc import MALFORMED, STATES
from tests.contract.scenarios.tables import ACCESS_CONTROL, ERRORS, LISTINGS, PAGE_TOKENS, SUCCESSES
from tests.harness.platform import Platform
from tests.harness.reflection import reflected_rpcs

_PREFIX = "ERROR_REASON_"

Pair = tuple[str, str]


def _provoked() -> set[Pair]:
    """Every RPC and reason that a case of test_errors.py or test_pages.py is about."""
    everywhere = {(rpc, reason) for reason, (_, names) in STATES.items() for rpc in names}
    everywhere |= {(rpc.name, MALFORMED) for rpc in all_rpcs()}
    of_lists = {(rpc, reason) for rpc in LISTINGS for reason in PAGE_TOKENS}
    return set(ERRORS) | everywhere | of_lists


def _documented() -> set[Pair]:
    pairs = {(rpc, error) for rpc in rpcs() for error in errors_of(rpc).errors}
    return {(rpc, error) for rpc, error in pairs if error not in ACCESS_CONTROL}


def _as_documented(rpc: str, reason: str) -> Pair:
    """Comments do not tell the reasons of INVALID_ARGUMENT apart, but for those of any RPC."""
    is_wrong = reasons()[reason].code.name == WRONG and not reasons()[reason].rpcs
    return rpc, WRONG if is_wrong else reason


async def test_every_reflected_rpc_has_a_success_its_errors_and_its_pages(contract: Platform) -> None:
    found = [rpc for address in contract.addresses.values() for rpc in await reflected_rpcs(address)]
    names = sorted(rpc.name for rpc in found)
    assert names == sorted({rpc.name for rpc in all_rpcs()}) == sorted(rpcs())
    assert sorted(SUCCESSES) == names
    assert sorted(LISTINGS) == sorted(rpc.name for rpc in all_rpcs() if _has_pages(rpc.method))
    assert sorted({rpc for rpc, _ in _provoked()}) == names


def _has_pages(method: object) -> bool:
    return "next_page_token" in method.output_type.fields_by_name  # type: ignore[attr-defined]


def test_every_documented_error_is_provoked() -> None:
    assert sorted(_documented() - {_as_documented(*pair) for pair in _provoked()}) == []


def test_every_provoked_error_is_documented() -> None:
    assert sorted(pair for pair in _provoked() if _as_documented(*pair) not in _documented()) == []


def test_every_reason_is_provoked_by_an_rpc_or_by_the_tests_of_access_control() -> None:
    names = {name.removeprefix(_PREFIX) for name, _ in ErrorReason.items()} - {"UNSPECIFIED"}
    assert names == reasons().keys()
    assert sorted(names - {reason for _, reason in _provoked()}) == sorted(ACCESS_CONTROL)
