"""Each documented error of each RPC is provoked, one case a pair."""

from __future__ import annotations

import asyncio

import grpc
import pytest

from runwire.embedded import Servers
from tests.contract.documented import WRONG, errors_of, reasons
from tests.contract.rpcs import Rpc, all_rpcs
from tests.contract.scenarios.every_rpc import MALFORMED, STATES, reaching
from tests.contract.scenarios.scenario import Provoked, ask, rpc_of
from tests.contract.scenarios.tables import ERRORS
from tests.harness.platform import Platform
from tests.harness.refused import Refused, refusal, refused

_INSIDES = ("asyncpg", "postgres.", "Traceback", "SELECT", "relation", "Error", ".py")


@pytest.mark.parametrize(("rpc", "reason"), ERRORS, ids=lambda name: name)
async def test_an_rpc_refuses_as_its_comment_says(contract: Platform, rpc: str, reason: str) -> None:
    scenario = ERRORS[rpc, reason]
    provoked = scenario if isinstance(scenario, Provoked) else await scenario(contract)
    assert rpc_of(provoked.request) == rpc
    said = await refused(provoked.call or ask(contract, provoked.request))
    _check(rpc, reason, said)
    assert said.metadata == provoked.metadata
    if said.code.name == WRONG:
        assert said.violations.keys() == provoked.fields
        assert reason == "INVALID_REQUEST" or set(said.violations.values()) == {reason}
    else:
        assert not said.violations
        assert all(value in said.message for value in provoked.metadata.values() if value != said.metadata.get("index"))


def _check(rpc: str, reason: str, said: Refused) -> None:
    """What every refusal has, and what the comments say of this one."""
    documented = reasons()[reason]
    assert (said.code, said.reason, said.infos) == (documented.code, reason, 1)
    index = {"index"} if errors_of(rpc).has_index and said.code.name != WRONG and "index" in said.metadata else set()
    assert said.metadata.keys() - index == documented.metadata
    assert said.may_be_repeated == (said.code == grpc.StatusCode.UNAVAILABLE)
    assert said.message


@pytest.mark.parametrize("rpc", all_rpcs(), ids=lambda rpc: rpc.name)
async def test_bytes_that_are_no_request_are_refused(contract: Platform, rpc: Rpc) -> None:
    _check(rpc.name, MALFORMED, await refused(rpc.call(contract.addresses, b"\xff" * 8)))


@pytest.fixture(scope="module")
async def answers(servers: Servers) -> dict[tuple[str, str], Refused | None]:
    """How every RPC answers in each state that a server may be in, asked all at once."""
    found = {}
    for reason, (broken, rpcs) in STATES.items():
        async with broken(servers) as platform:
            names = sorted(rpcs)
            said = await asyncio.gather(*(_answer(platform, rpc) for rpc in names))
            found.update({(rpc, reason): each for rpc, each in zip(names, said, strict=True)})
    return found


async def _answer(platform: Platform, rpc: str) -> Refused | None:
    try:
        await ask(platform, reaching(rpc))
    except grpc.aio.AioRpcError as error:
        return refusal(error)
    return None


@pytest.mark.parametrize(
    ("rpc", "reason"),
    [(rpc, reason) for reason, (_, rpcs) in STATES.items() for rpc in sorted(rpcs)],
    ids=lambda name: name,
)
async def test_any_rpc_says_what_is_wrong_with_its_server(
    answers: dict[tuple[str, str], Refused | None], rpc: str, reason: str
) -> None:
    said = answers[rpc, reason]
    assert said is not None
    _check(rpc, reason, said)
    assert not [word for word in _INSIDES if word in said.message]
