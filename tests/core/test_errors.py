"""Refusals on the wire: one ErrorInfo each, with a documented reason."""

from __future__ import annotations

from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo

from runwire.api.type.v1.error_reason_pb2 import ErrorReason
from runwire.core import errors
from runwire.core.errors import InvalidRequest, Refusal, Violation


def _all(kind: type[Refusal]) -> list[type[Refusal]]:
    return [kind] + [deeper for each in kind.__subclasses__() for deeper in _all(each)]


def test_every_refusal_has_a_reason_of_the_contract_and_a_message() -> None:
    for kind in _all(Refusal):
        ErrorReason.Value(f"ERROR_REASON_{kind.reason}")
        assert kind.__doc__, kind


def test_a_refusal_carries_its_metadata_and_when_to_come_again() -> None:
    status = errors.to_status(errors.NoWorker(graph_id="g"))
    info, retry = ErrorInfo(), RetryInfo()
    assert status.details[0].Unpack(info)
    assert status.details[1].Unpack(retry)
    assert (info.reason, info.domain, dict(info.metadata)) == ("NO_WORKER", "runwire", {"graph_id": "g"})
    assert status.message == "No live worker serves graph g."
    assert retry.retry_delay.seconds == 5


def test_violations_of_one_kind_give_the_request_their_reason() -> None:
    alike = [Violation(field, "FIELD_REQUIRED", "is required") for field in ("a", "b")]
    assert InvalidRequest(alike).reason == "FIELD_REQUIRED"
    assert InvalidRequest([*alike, Violation("c", "INVALID_JSON", "no")]).reason == "INVALID_REQUEST"


def test_a_thousand_violations_still_fit_into_a_clients_trailers() -> None:
    many = [Violation(f"f{n}", "FIELD_REQUIRED", "is required") for n in range(1000)]
    status = errors.to_status(InvalidRequest(many))
    details = BadRequest()
    assert status.details[1].Unpack(details)
    assert details.field_violations
    assert status.ByteSize() < 6000
