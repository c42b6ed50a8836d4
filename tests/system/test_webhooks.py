"""Webhooks from real processes to a real receiver."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from standardwebhooks import Webhook as Verifier

from runwire.api.dispatch.v1.runs_pb2 import Webhook
from runwire.embedded import Servers
from tests.dispatch.webhook_receiver import Receiver, Reply, receiving
from tests.harness.databases import fresh_database, system_settings
from tests.harness.platform import Platform
from tests.harness.processes import processes

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@pytest.fixture(scope="module")
async def calling(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Platform]:
    """Four processes that may call this machine."""
    async with fresh_database(servers) as uri:
        settings = system_settings(
            uri,
            servers.redis_uri,
            webhook_secret=SECRET,
            webhook_private_addresses=True,
            webhook_retry_delay=timedelta(seconds=0.05),
        )
        async with processes(settings, tmp_path_factory.mktemp("webhooks")) as made:
            yield made


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as made:
        yield made


async def test_a_run_tells_its_receiver_what_came_out(calling: Platform, receiver: Receiver) -> None:
    ended = await calling.run("echo", {"text": "hi"}, webhook=Webhook(url=receiver.url()))
    (request,) = await receiver.got(1)
    told = Verifier(SECRET).verify(request.body, request.headers)["data"]
    assert (told["run_id"], told["status"]) == (ended.run.run_id, "success")
    assert told["output"] == json.loads(ended.output.text)


async def test_a_failed_run_tells_its_receiver_why_until_it_is_taken(calling: Platform, receiver: Receiver) -> None:
    receiver.replies = [Reply(500), Reply(302, {"Location": receiver.url("/other")}), Reply(200)]
    await calling.run("failing", {"text": "way"}, webhook=Webhook(url=receiver.url()))
    requests = await receiver.got(3)
    assert {request.target for request in requests} == {"/hook"}
    assert len({request.headers["webhook-id"] for request in requests}) == 1
    told = json.loads(requests[-1].body)["data"]
    assert (told["status"], told["error"]) == ("error", {"type": "RefusedError", "message": "no way"})
