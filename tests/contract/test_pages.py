"""Each list in pages: every row once, in order, and tokens that belong to their list."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.contract.scenarios.scenario import Listing, ask, rpc_of
from tests.contract.scenarios.tables import LISTINGS
from tests.harness.platform import Platform
from tests.harness.refused import refused

_SIZE = 2


async def _pages(platform: Platform, listing: Listing, size: int = _SIZE, token: str = "") -> AsyncIterator[Any]:
    while True:
        request = _with(listing.request, size, token)
        page = await ask(platform, request)
        yield page
        token = page.next_page_token
        if not token:
            return


def _with(request: Any, size: int, token: str) -> Any:
    page = type(request)()
    page.CopyFrom(request)
    page.page_size, page.page_token = size, token
    return page


def _names(listing: Listing, page: Any) -> list[str]:
    return [listing.name(row) for row in getattr(page, listing.rows)]


@pytest.mark.parametrize("rpc", LISTINGS)
async def test_pages_have_every_row_once_and_in_order(contract: Platform, rpc: str) -> None:
    listing = await LISTINGS[rpc](contract)
    assert rpc_of(listing.request) == rpc
    pages = [_names(listing, page) async for page in _pages(contract, listing)]
    assert [name for page in pages for name in page] == listing.expected
    assert len(pages) >= 3
    assert [len(page) for page in pages[:-1]] == [_SIZE] * (len(pages) - 1)


@pytest.mark.parametrize("rpc", LISTINGS)
async def test_only_the_size_may_change_between_pages(contract: Platform, rpc: str) -> None:
    listing = await LISTINGS[rpc](contract)
    first = await ask(contract, _with(listing.request, _SIZE, ""))
    rest = [_names(listing, page) async for page in _pages(contract, listing, 100, first.next_page_token)]
    assert rest == [listing.expected[_SIZE:]]
    said = await refused(ask(contract, _with(listing.other, _SIZE, first.next_page_token)))
    assert (said.reason, said.violations) == ("PAGE_TOKEN_MISMATCH", {"page_token": "PAGE_TOKEN_MISMATCH"})


@pytest.mark.parametrize("rpc", LISTINGS)
async def test_a_token_that_no_server_made_is_refused(contract: Platform, rpc: str) -> None:
    listing = await LISTINGS[rpc](contract)
    said = await refused(ask(contract, _with(listing.request, _SIZE, "bm8gdG9rZW4")))
    assert (said.reason, said.violations) == ("INVALID_PAGE_TOKEN", {"page_token": "INVALID_PAGE_TOKEN"})
