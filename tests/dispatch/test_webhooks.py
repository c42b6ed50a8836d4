"""What is owed when a run ends, and how it comes to its receiver."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID

import grpc
import pytest
from standardwebhooks import Webhook as Verifier

from runwire.api.dispatch.v1.crons_pb2 import CreateCronRequest
from runwire.api.dispatch.v1.runs_pb2 import (
    BatchCreateRunsRequest,
    CancelRunRequest,
    ListWebhookDeliveriesRequest,
    Webhook,
    WebhookDelivery,
    WebhookDeliveryState,
)
from runwire.api.type.v1 import run_pb2
from runwire.core.ids import new_uuid
from runwire.core.postgres import Pool
from runwire.core.settings import Settings
from runwire.dispatch import webhooks
from runwire.dispatch.__main__ import running
from runwire.dispatch.webhook_calls import Caller
from runwire.dispatch.webhooks import Deliverer, Deliveries, delay_after
from tests.dispatch.conftest import Dispatch, Refused, stubs
from tests.dispatch.factories import a_run, make_assistant, make_thread, make_worker, start_run
from tests.dispatch.webhook_receiver import Receiver, Reply, receiving

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER_SECRET = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oDaaaaaaaa"
PENDING = WebhookDeliveryState.WEBHOOK_DELIVERY_STATE_PENDING
DELIVERED = WebhookDeliveryState.WEBHOOK_DELIVERY_STATE_DELIVERED
FAILED = WebhookDeliveryState.WEBHOOK_DELIVERY_STATE_FAILED

Refusing = Callable[[Any], Awaitable[Refused]]
Soon = Callable[[Callable[[], Awaitable[Any]]], Awaitable[Any]]


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Quick tries, to receivers on this machine."""
    return settings.model_copy(
        update={
            "webhook_private_addresses": True,
            "webhook_secret": SECRET,
            "webhook_timeout": timedelta(seconds=2),
            "webhook_attempts": 3,
            "webhook_retry_delay": timedelta(seconds=0.02),
        }
    )


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as made:
        yield made


async def make_run(
    pool: Pool, url: str = "http://127.0.0.1:9/", *, thread_id: str | None = None, webhook: bool = True, **headers: str
) -> str:
    """A pending run with a webhook."""
    run_id = new_uuid()
    await pool.execute(
        "INSERT INTO runs (run_id, thread_id, assistant_id, assistant_version, graph_id, due_at, request,"
        " request_digest, created_at, metadata, webhook)"
        " VALUES ($1, $2, 'a', 1, 'agent', now(), '', '', now(), '{\"team\":\"x\"}', $3)",
        run_id,
        thread_id,
        Webhook(url=url, headers=headers).SerializeToString() if webhook else None,
    )
    return str(run_id)


async def finish(
    pool: Pool, run_id: str, status: str = "success", *, output: str | None = '{"n":9007199254740993}', **given: Any
) -> None:
    """Ends a run as its worker does."""
    await start_run(pool, run_id, await make_worker(pool))
    thread_id = await pool.fetchval("SELECT thread_id FROM runs WHERE run_id = $1", UUID(run_id))
    outcome = await pool.fetchval(
        "SELECT outcome FROM finish_run($1, 1, 'default', $2, $3, $4, NULL, $5, $6, $7, 0, 0, NULL)",
        UUID(run_id),
        thread_id,
        status,
        output,
        given.get("interrupts"),
        given.get("error_type"),
        given.get("error_message"),
    )
    assert outcome == "finished"


async def owed(pool: Pool) -> list[dict[str, Any]]:
    """The bodies in the outbox."""
    rows = await pool.fetch("SELECT body FROM webhook_deliveries WHERE state = 'pending' ORDER BY created_at")
    return [json.loads(row["body"]) for row in rows]


@asynccontextmanager
async def deliverer(pool: Pool, settings: Settings) -> AsyncIterator[Deliverer]:
    """One replica's deliverer, turned by hand."""
    async with Caller(settings) as caller:
        made = Deliverer(Deliveries(pool), caller, settings)
        try:
            yield made
        finally:
            await made.finish(timedelta())


async def listed(dispatch: Dispatch, **where: Any) -> list[WebhookDelivery]:
    response = await dispatch.runs.ListWebhookDeliveries(ListWebhookDeliveriesRequest(**where))
    return list(response.deliveries)


async def settled(dispatch: Dispatch, soon: Soon, run_id: str) -> WebhookDelivery:
    """The run's delivery once it is not pending any more."""

    async def done() -> list[WebhookDelivery]:
        return [delivery for delivery in await listed(dispatch, run_id=run_id) if delivery.state != PENDING]

    (delivery,) = await soon(done)
    assert isinstance(delivery, WebhookDelivery)
    return delivery


# What is owed


async def test_a_run_that_ends_owes_its_webhook(pool: Pool) -> None:
    await make_thread(pool)
    run_id = await make_run(pool, thread_id="thread-1")
    await finish(pool, run_id)
    (body,) = await owed(pool)
    data = body["data"]
    assert body["type"] == "run.finished"
    assert (data["run_id"], data["thread_id"], data["status"]) == (run_id, "thread-1", "success")
    assert (data["output"], data["metadata"], data["interrupts"]) == ({"n": 9007199254740993}, {"team": "x"}, [])
    assert (data["error"], data["rolled_back"], data["omitted"]) == (None, False, [])
    assert body["timestamp"] == data["finish_time"] > data["create_time"]


async def test_a_failed_run_says_why(pool: Pool) -> None:
    await finish(pool, await make_run(pool), "error", output=None, error_type="ValueError", error_message="no")
    (body,) = await owed(pool)
    assert body["data"]["status"] == "error"
    assert body["data"]["error"] == {"type": "ValueError", "message": "no"}


async def test_a_paused_run_says_what_it_waits_for(pool: Pool) -> None:
    await finish(pool, await make_run(pool), "interrupted", interrupts='[{"id":"1","value":"ok?"}]')
    (body,) = await owed(pool)
    assert body["data"]["interrupts"] == [{"id": "1", "value": "ok?"}]


async def test_a_large_output_is_left_out_and_that_is_said(pool: Pool) -> None:
    await finish(pool, await make_run(pool), output=json.dumps("x" * 1024 * 1024))
    (body,) = await owed(pool)
    assert (body["data"]["output"], body["data"]["omitted"]) == (None, ["output"])


async def test_a_run_without_a_webhook_owes_nothing(pool: Pool) -> None:
    await finish(pool, await make_run(pool, webhook=False))
    assert await owed(pool) == []


async def test_a_run_that_is_given_back_owes_nothing_yet(pool: Pool) -> None:
    run_id = await make_run(pool)
    await start_run(pool, run_id, await make_worker(pool))
    await pool.fetchval("SELECT release_run('default', $1, 1, true, interval '0')", UUID(run_id))
    assert await owed(pool) == []


async def test_nothing_is_owed_when_the_transaction_that_ends_the_run_fails(pool: Pool) -> None:
    run_id = await make_run(pool)
    async with pool.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        await connection.fetchrow("SELECT outcome FROM cancel_run('default', $1, 'interrupt')", UUID(run_id))
        await transaction.rollback()
    assert await owed(pool) == []


async def test_a_cancelled_run_owes_its_webhook(pool: Pool) -> None:
    run_id = await make_run(pool)
    await pool.fetchrow("SELECT outcome FROM cancel_run('default', $1, 'interrupt')", UUID(run_id))
    (body,) = await owed(pool)
    assert (body["data"]["status"], body["data"]["rolled_back"]) == ("cancelled", False)


@pytest.mark.parametrize("thread_id", [None, "thread-1"])
async def test_a_run_that_is_rolled_back_owes_its_webhook(pool: Pool, thread_id: str | None) -> None:
    await make_thread(pool)
    run_id = await make_run(pool, thread_id=thread_id)
    await pool.fetchrow("SELECT outcome FROM cancel_run('default', $1, 'rollback')", UUID(run_id))
    (body,) = await owed(pool)
    assert (body["data"]["run_id"], body["data"]["status"]) == (run_id, "cancelled")
    assert body["data"]["rolled_back"] is True
    assert body["data"]["finish_time"] is not None


async def test_a_cancelled_run_whose_worker_died_owes_its_webhook(pool: Pool) -> None:
    run_id = await make_run(pool)
    await start_run(pool, run_id, await make_worker(pool, silent_for=timedelta(minutes=1)))
    await pool.fetchrow("SELECT outcome FROM cancel_run('default', $1, 'interrupt')", UUID(run_id))
    await pool.fetch("SELECT * FROM reap_dead_workers(10)")
    (body,) = await owed(pool)
    assert body["data"]["status"] == "cancelled"


async def test_a_thread_that_is_deleted_takes_along_what_its_runs_owe(pool: Pool) -> None:
    await make_thread(pool)
    await finish(pool, await make_run(pool, thread_id="thread-1"))
    await make_run(pool, thread_id="thread-1")
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("DELETE FROM runs WHERE thread_id = 'thread-1'")
        await connection.execute("DELETE FROM threads WHERE thread_id = 'thread-1'")
    assert await owed(pool) == []


async def test_a_thread_that_is_deleted_alone_takes_along_what_its_runs_owe(pool: Pool) -> None:
    await make_thread(pool)
    await finish(pool, await make_run(pool, thread_id="thread-1"))
    await make_run(pool, thread_id="thread-1")
    await pool.execute("DELETE FROM threads WHERE thread_id = 'thread-1'")
    assert await owed(pool) == []


async def test_a_finished_run_that_is_deleted_takes_along_what_it_owes(pool: Pool) -> None:
    run_id = await make_run(pool)
    await finish(pool, run_id)
    await pool.execute("DELETE FROM runs WHERE run_id = $1", UUID(run_id))
    assert await owed(pool) == []


# How it is delivered


async def test_a_webhook_is_delivered_and_its_signature_verifies(
    pool: Pool, dispatch: Dispatch, receiver: Receiver, soon: Soon
) -> None:
    run_id = await make_run(pool, receiver.url("/hook?a=b"), Authorization="Bearer abc")
    await finish(pool, run_id)
    (request,) = await receiver.got(1)
    assert Verifier(SECRET).verify(request.body, request.headers)["data"]["run_id"] == run_id
    assert b"9007199254740993" in request.body
    assert (request.method, request.target) == ("POST", "/hook?a=b")
    assert request.headers["authorization"] == "Bearer abc"
    assert request.headers["content-type"] == "application/json"
    delivery = await settled(dispatch, soon, run_id)
    assert (delivery.state, delivery.attempts, delivery.last_http_status) == (DELIVERED, 1, 200)
    assert delivery.HasField("delivery_time")
    assert not delivery.HasField("next_attempt_time")
    assert delivery.delivery_id == request.headers["webhook-id"]


async def test_a_signature_does_not_verify_for_another_body_or_secret(
    pool: Pool, settings: Settings, receiver: Receiver
) -> None:
    await finish(pool, await make_run(pool, receiver.url()))
    async with deliverer(pool, settings) as one:
        await one.deliver_due()
        (request,) = await receiver.got(1)
    with pytest.raises(Exception, match="No matching signature"):
        Verifier(OTHER_SECRET).verify(request.body, request.headers)
    with pytest.raises(Exception, match="No matching signature"):
        Verifier(SECRET).verify(request.body + b" ", request.headers)


async def test_each_of_several_secrets_signs(pool: Pool, settings: Settings, receiver: Receiver) -> None:
    await finish(pool, await make_run(pool, receiver.url()))
    both = settings.model_copy(update={"webhook_secret": f"{SECRET} {OTHER_SECRET}"})
    async with deliverer(pool, both) as one:
        await one.deliver_due()
        (request,) = await receiver.got(1)
    for secret in (SECRET, OTHER_SECRET):
        Verifier(secret).verify(request.body, request.headers)


async def test_without_a_secret_a_webhook_is_sent_unsigned(pool: Pool, settings: Settings, receiver: Receiver) -> None:
    await finish(pool, await make_run(pool, receiver.url()))
    async with deliverer(pool, settings.model_copy(update={"webhook_secret": ""})) as one:
        await one.deliver_due()
        (request,) = await receiver.got(1)
    assert "webhook-id" in request.headers
    assert "webhook-signature" not in request.headers


async def test_a_receiver_that_fails_is_tried_again_with_the_same_id_and_body(
    pool: Pool, dispatch: Dispatch, receiver: Receiver, soon: Soon
) -> None:
    receiver.replies = [Reply(500), Reply(307, {"Location": receiver.url("/no")}), Reply(204)]
    run_id = await make_run(pool, receiver.url())
    await finish(pool, run_id)
    requests = await receiver.got(3)
    assert len({(request.headers["webhook-id"], request.body, request.target) for request in requests}) == 1
    delivery = await settled(dispatch, soon, run_id)
    assert (delivery.state, delivery.attempts, delivery.last_http_status) == (DELIVERED, 3, 204)
    assert delivery.last_error == ""


async def test_a_receiver_that_never_takes_it_is_given_up(
    pool: Pool, dispatch: Dispatch, receiver: Receiver, soon: Soon
) -> None:
    receiver.replies = [Reply(503)]
    run_id = await make_run(pool, receiver.url())
    await finish(pool, run_id)
    delivery = await settled(dispatch, soon, run_id)
    assert (delivery.state, delivery.attempts, delivery.last_http_status) == (FAILED, 3, 503)
    assert delivery.last_error == "answered 503"
    assert not delivery.HasField("delivery_time")
    assert len(receiver.received) == 3


async def test_a_receiver_on_this_machine_is_a_failed_try_unless_the_server_allows_it(
    pool: Pool, settings: Settings, receiver: Receiver
) -> None:
    await finish(pool, await make_run(pool, receiver.url()))
    async with deliverer(pool, settings.model_copy(update={"webhook_private_addresses": False})) as one:
        await one.deliver_due()
        await one.finish(timedelta(seconds=5))
    row = await pool.fetchrow("SELECT state, attempts, last_error FROM webhook_deliveries")
    assert tuple(row) == ("pending", 1, "the host has no address that this server calls")
    assert receiver.received == []


async def test_two_replicas_deliver_each_webhook_once(pool: Pool, settings: Settings, receiver: Receiver) -> None:
    for _ in range(30):
        await finish(pool, await make_run(pool, receiver.url()))
    async with deliverer(pool, settings) as one, deliverer(pool, settings) as another:
        await asyncio.gather(*(replica.deliver_due() for _ in range(3) for replica in (one, another)))
        await receiver.got(30)
        await asyncio.gather(one.finish(timedelta(seconds=5)), another.finish(timedelta(seconds=5)))
        assert await pool.fetchval("SELECT count(*) FROM webhook_deliveries WHERE state = 'delivered'") == 30
        await asyncio.gather(one.deliver_due(), another.deliver_due())
    assert len(receiver.received) == len({request.headers["webhook-id"] for request in receiver.received}) == 30


async def test_a_replica_that_dies_between_the_answer_and_its_record_delivers_again(
    pool: Pool, settings: Settings, receiver: Receiver, soon: Soon
) -> None:
    locked = asyncio.Event()
    receiver.replies = [Reply(after=locked), Reply()]
    await finish(pool, await make_run(pool, receiver.url()))
    quick = settings.model_copy(update={"webhook_timeout": timedelta(seconds=0.5)})
    async with pool.acquire() as holder, deliverer(pool, settings=quick) as dying:
        await dying.deliver_due()
        async with holder.transaction():
            # The record waits for this lock, and is never made.
            await holder.execute("SELECT 1 FROM webhook_deliveries FOR UPDATE")
            await receiver.got(1)
            locked.set()
            await dying.finish(timedelta())
    assert await pool.fetchval("SELECT state FROM webhook_deliveries") == "pending"
    async with deliverer(pool, quick) as other:

        async def delivered() -> bool:
            await other.deliver_due()
            return bool(await pool.fetchval("SELECT state = 'delivered' FROM webhook_deliveries"))

        await soon(delivered)
    first, second = receiver.received
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.body == second.body


async def test_a_late_failure_does_not_undo_what_another_replica_has_delivered(
    pool: Pool, settings: Settings, receiver: Receiver
) -> None:
    await finish(pool, await make_run(pool, receiver.url()))
    held_back = asyncio.Event()
    receiver.replies = [Reply(500, after=held_back), Reply(200)]
    async with deliverer(pool, settings) as slow, deliverer(pool, settings) as quick:
        await slow.deliver_due()
        await receiver.got(1)
        await pool.execute("UPDATE webhook_deliveries SET next_attempt_at = now()")
        await quick.deliver_due()
        await quick.finish(timedelta(seconds=5))
        held_back.set()
        await slow.finish(timedelta(seconds=5))
    row = await pool.fetchrow("SELECT state, attempts, last_http_status, last_error FROM webhook_deliveries")
    assert tuple(row) == ("delivered", 2, 200, "")


async def test_a_slow_receiver_does_not_hold_up_others(pool: Pool, settings: Settings, receiver: Receiver) -> None:
    async with receiving() as slow:
        slow.replies = [Reply(after=asyncio.Event())]
        await finish(pool, await make_run(pool, slow.url()))
        await finish(pool, await make_run(pool, receiver.url()))
        async with deliverer(pool, settings) as one:
            await one.deliver_due()
            await slow.got(1)
            await receiver.got(1)


async def test_no_more_than_the_slots_are_under_way(pool: Pool, settings: Settings, receiver: Receiver) -> None:
    answering = asyncio.Event()
    receiver.replies = [Reply(after=answering)]
    for _ in range(3):
        await finish(pool, await make_run(pool, receiver.url()))
    async with deliverer(pool, settings.model_copy(update={"webhook_slots": 2})) as one:
        assert await one.deliver_due()
        await receiver.got(2)
        assert await pool.fetchval("SELECT count(*) FROM webhook_deliveries WHERE attempts = 0") == 1
        answering.set()
        await one.finish(timedelta(seconds=5))
        await one.deliver_due()
        await receiver.got(3)


async def test_a_call_under_way_is_finished_on_shutdown(pool: Pool, settings: Settings, receiver: Receiver) -> None:
    answering = asyncio.Event()
    receiver.replies = [Reply(after=answering)]
    await finish(pool, await make_run(pool, receiver.url()))
    async with deliverer(pool, settings) as one:
        await one.deliver_due()
        await receiver.got(1)
        ending = asyncio.create_task(one.finish(timedelta(seconds=5)))
        answering.set()
        await ending
    assert await pool.fetchval("SELECT state FROM webhook_deliveries") == "delivered"


async def test_what_is_settled_keeps_neither_its_body_nor_its_headers(
    pool: Pool, settings: Settings, receiver: Receiver
) -> None:
    await finish(pool, await make_run(pool, receiver.url(), Authorization="s3cret"))
    async with deliverer(pool, settings) as one:
        await one.deliver_due()
        await one.finish(timedelta(seconds=5))
    row = await pool.fetchrow("SELECT state, webhook, body FROM webhook_deliveries")
    assert (row["state"], row["body"]) == ("delivered", None)
    assert Webhook.FromString(row["webhook"]) == Webhook(url=receiver.url())


async def test_the_values_of_headers_are_neither_logged_nor_listed(
    pool: Pool, dispatch: Dispatch, receiver: Receiver, soon: Soon, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    receiver.replies = [Reply(500)]
    run_id = await make_run(pool, receiver.url(), Authorization="s3cret")
    await finish(pool, run_id)
    assert "s3cret" not in str(await listed(dispatch))
    assert "s3cret" not in str(await settled(dispatch, soon, run_id))
    assert "s3cret" not in caplog.text + str([record.__dict__ for record in caplog.records])


async def test_old_deliveries_are_forgotten_and_pending_ones_kept(
    pool: Pool, settings: Settings, receiver: Receiver
) -> None:
    for _ in range(2):
        await finish(pool, await make_run(pool, receiver.url()))
        async with deliverer(pool, settings) as one:
            await one.deliver_due()
            await one.finish(timedelta(seconds=5))
    await finish(pool, await make_run(pool, receiver.url()))
    oldest = "(SELECT delivery_id FROM webhook_deliveries ORDER BY created_at LIMIT 1)"
    await pool.execute(
        f"UPDATE webhook_deliveries SET settled_at = now() - interval '8 days' WHERE delivery_id = {oldest}"
    )
    await pool.execute("UPDATE webhook_deliveries SET created_at = now() - interval '9 days' WHERE state = 'pending'")
    async with deliverer(pool, settings) as one:
        assert not await one.forget_old()
    rows = await pool.fetch("SELECT state FROM webhook_deliveries ORDER BY state")
    assert [row["state"] for row in rows] == ["delivered", "pending"]


def test_the_tries_are_spread_over_about_a_day() -> None:
    whole = sum((delay_after(attempts, timedelta(seconds=10)) for attempts in range(1, 12)), timedelta())
    assert timedelta(hours=19) < whole < timedelta(hours=31)


# How it is asked for


async def test_a_created_run_tells_its_receiver(pool: Pool, dispatch: Dispatch, receiver: Receiver) -> None:
    await make_assistant(pool)
    webhook = Webhook(url=receiver.url(), headers={"X-Key": "abc"})
    created = await dispatch.runs.CreateRun(a_run(webhook=webhook))
    await finish(pool, created.run.run_id)
    (request,) = await receiver.got(1)
    assert request.headers["x-key"] == "abc"
    assert json.loads(request.body)["data"]["run_id"] == created.run.run_id


async def test_the_same_call_again_is_the_same_run_whatever_the_order_of_its_headers(
    pool: Pool, dispatch: Dispatch
) -> None:
    await make_assistant(pool)
    run_id = str(new_uuid())
    headers = {f"X-{number}": "v" for number in range(20)}
    for given in (headers, dict(reversed(headers.items()))):
        webhook = Webhook(url="https://example.com/", headers=given)
        assert (await dispatch.runs.CreateRun(a_run(run_id=run_id, webhook=webhook))).run.run_id == run_id


async def test_every_request_that_names_a_webhook_checks_it(dispatch: Dispatch, refused: Refusing) -> None:
    run = a_run(webhook=Webhook(url="ftp://example.com", headers={"Host": "s3cret"}))
    calls = {
        "": dispatch.runs.CreateRun(run),
        "requests[0].": dispatch.runs.BatchCreateRuns(BatchCreateRunsRequest(requests=[run])),
        "run.": dispatch.crons.CreateCron(CreateCronRequest(schedule="* * * * *", run=run)),
    }
    for inside, call in calls.items():
        answer = await refused(call)
        wrong = {f"{inside}webhook.url": "FIELD_INVALID", f"{inside}webhook.headers[Host]": "FIELD_INVALID"}
        assert answer.violations == wrong
        assert "s3cret" not in str(answer)


async def test_a_private_address_is_refused_at_creation_unless_the_server_allows_it(
    pool: Pool, settings: Settings, refused: Refusing
) -> None:
    await make_assistant(pool)
    run = a_run(webhook=Webhook(url="http://localhost:9/"))
    cron = CreateCronRequest(schedule="* * * * *", run=run)
    for allowed in (True, False):
        given = settings.model_copy(update={"webhook_private_addresses": allowed})
        async with running(given) as port, grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            dispatch = stubs(channel)
            batch = BatchCreateRunsRequest(requests=[run])
            for call, request in (
                (dispatch.runs.CreateRun, run),
                (dispatch.runs.BatchCreateRuns, batch),
                (dispatch.crons.CreateCron, cron),
            ):
                if allowed:
                    await call(request)
                else:
                    assert set((await refused(call(request))).violations.values()) == {"FIELD_INVALID"}


async def test_a_tick_of_a_cron_carries_its_webhook(pool: Pool, dispatch: Dispatch, soon: Soon) -> None:
    await make_assistant(pool)
    run = a_run(webhook=Webhook(url="http://localhost:9/"))
    await dispatch.crons.CreateCron(CreateCronRequest(schedule="* * * * * *", run=run))

    async def ticked() -> Any:
        return await pool.fetchval("SELECT webhook FROM runs LIMIT 1")

    assert Webhook.FromString(await soon(ticked)) == run.webhook


# How it is listed


async def test_deliveries_are_listed_page_by_page_the_newest_first(pool: Pool, dispatch: Dispatch) -> None:
    runs = [await make_run(pool, f"http://127.0.0.1:9/{number}") for number in range(5)]
    for run_id in runs:
        await finish(pool, run_id)
    found: list[WebhookDelivery] = []
    request = ListWebhookDeliveriesRequest(page_size=2)
    for size in (2, 2, 1):
        page = await dispatch.runs.ListWebhookDeliveries(request)
        assert len(page.deliveries) == size
        found += page.deliveries
        request.page_token = page.next_page_token
    assert request.page_token == ""
    assert [delivery.run_id for delivery in found] == runs[::-1]
    assert found[0].url == "http://127.0.0.1:9/4"


async def test_deliveries_are_listed_by_run_and_state(
    pool: Pool, dispatch: Dispatch, receiver: Receiver, soon: Soon
) -> None:
    good, other = await make_run(pool, receiver.url()), await make_run(pool, receiver.url())
    await finish(pool, good)
    await finish(pool, other)
    await settled(dispatch, soon, good)
    await settled(dispatch, soon, other)
    assert [delivery.run_id for delivery in await listed(dispatch, run_id=good)] == [good]
    assert {delivery.run_id for delivery in await listed(dispatch, state=DELIVERED)} == {good, other}
    assert await listed(dispatch, state=PENDING) == []
    assert await listed(dispatch, run_id=good, state=FAILED) == []
    assert await listed(dispatch, run_id=str(new_uuid())) == []


async def test_deliveries_of_another_tenant_are_not_listed(pool: Pool, dispatch: Dispatch) -> None:
    run_id = await make_run(pool)
    await finish(pool, run_id)
    await pool.execute("UPDATE webhook_deliveries SET tenant = 'other'")
    assert await listed(dispatch) == []
    assert await listed(dispatch, run_id=run_id) == []


async def test_a_wrong_list_request_names_every_field(dispatch: Dispatch, refused: Refusing) -> None:
    request = ListWebhookDeliveriesRequest(run_id="x", page_size=1001, page_token="!")
    answer = await refused(dispatch.runs.ListWebhookDeliveries(request))
    assert answer.code == grpc.StatusCode.INVALID_ARGUMENT
    assert answer.violations == {
        "run_id": "FIELD_INVALID",
        "page_size": "FIELD_OUT_OF_RANGE",
        "page_token": "INVALID_PAGE_TOKEN",
    }


async def test_an_unknown_state_is_refused(dispatch: Dispatch, refused: Refusing) -> None:
    answer = await refused(dispatch.runs.ListWebhookDeliveries(ListWebhookDeliveriesRequest(state=99)))  # type: ignore[arg-type]
    assert answer.violations == {"state": "UNKNOWN_ENUM_VALUE"}


async def test_a_cancelled_run_tells_its_receiver(pool: Pool, dispatch: Dispatch, receiver: Receiver) -> None:
    run_id = await make_run(pool, receiver.url())
    await dispatch.runs.CancelRun(CancelRunRequest(run_id=run_id, action=run_pb2.CANCEL_ACTION_ROLLBACK))
    (request,) = await receiver.got(1)
    assert json.loads(request.body)["data"]["rolled_back"] is True


@pytest.mark.parametrize("name", webhooks._SQL)
async def test_a_statement_fits_the_schema(pool: Pool, name: str) -> None:
    async with pool.acquire() as connection:
        await connection.prepare(webhooks._SQL[name])


async def test_one_delivery_behind_a_flood_of_another_tenants_is_in_the_next_claim(pool: Pool) -> None:
    await pool.execute(
        "INSERT INTO webhook_deliveries (tenant, run_id, webhook, body, next_attempt_at)"
        " SELECT CASE n WHEN 100 THEN 'small' ELSE 'flood' END, gen_random_uuid(), '', '',"
        " now() - (100 - n) * interval '1 second' FROM generate_series(1, 100) n"
    )
    assert len(await Deliveries(pool).claim(8, timedelta(minutes=1))) == 8
    taken = await pool.fetch("SELECT tenant, count(*) FROM webhook_deliveries WHERE attempts = 1 GROUP BY 1 ORDER BY 1")
    assert [tuple(row) for row in taken] == [("flood", 7), ("small", 1)]


async def _owe(pool: Pool, tenant: str, url: str, count: int) -> None:
    await pool.execute(
        "INSERT INTO webhook_deliveries (tenant, run_id, webhook, body)"
        " SELECT $1, gen_random_uuid(), $2, '{}' FROM generate_series(1, $3::int)",
        tenant,
        Webhook(url=url).SerializeToString(),
        count,
    )


async def test_a_tenant_whose_receiver_holds_slots_comes_after_one_that_has_none(
    pool: Pool, settings: Settings, receiver: Receiver
) -> None:
    receiver.replies = [Reply(after=asyncio.Event())]
    await _owe(pool, "slow", receiver.url(), 2)
    async with deliverer(pool, settings.model_copy(update={"webhook_slots": 4})) as one:
        await one.deliver_due()
        await receiver.got(2)
        await _owe(pool, "slow", receiver.url(), 4)
        await _owe(pool, "late", receiver.url(), 4)
        await one.deliver_due()
        taken = await pool.fetch("SELECT tenant, count(*) FROM webhook_deliveries WHERE attempts = 1 GROUP BY tenant")
    assert dict(taken) == {"slow": 2, "late": 2}


async def test_due_deliveries_are_found_by_their_index(pool: Pool) -> None:
    await pool.execute(
        "INSERT INTO webhook_deliveries (tenant, run_id, webhook, state, next_attempt_at, settled_at)"
        " SELECT 'default', gen_random_uuid(), '', 'delivered', NULL, now() FROM generate_series(1, 5000)"
    )
    await finish(pool, await make_run(pool))
    await pool.execute("VACUUM ANALYZE webhook_deliveries")
    async with pool.acquire() as connection:
        statement = await connection.prepare(webhooks._SQL["claim"])
        plan = json.dumps(await statement.explain(10, timedelta(seconds=1), []))
    assert "webhook_deliveries_due" in plan
    assert "Seq Scan" not in plan


@pytest.mark.parametrize("secret", ["abc", "whsec_", "whsec_!!!", f"{SECRET} nonsense"])
def test_a_secret_that_is_no_key_is_refused_without_repeating_it(secret: str) -> None:
    with pytest.raises(ValueError, match="RUNWIRE_WEBHOOK_SECRET") as caught:
        Settings(webhook_secret=secret)
    assert SECRET not in str(caught.value)


def test_a_secret_does_not_show_in_the_settings() -> None:
    settings = Settings(webhook_secret=SECRET)
    assert SECRET not in repr(settings)
    assert settings.variables()["RUNWIRE_WEBHOOK_SECRET"] == SECRET
