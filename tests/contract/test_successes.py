"""Each RPC does what it is for."""

from __future__ import annotations

import pytest

from tests.contract.scenarios.scenario import rpc_of
from tests.contract.scenarios.tables import SUCCESSES
from tests.harness.platform import Platform


@pytest.mark.parametrize("rpc", SUCCESSES)
async def test_an_rpc_does_what_it_is_for(contract: Platform, rpc: str) -> None:
    response = await SUCCESSES[rpc](contract)
    assert response.DESCRIPTOR.name == f"{rpc_of(response)}Response" == f"{rpc}Response"
