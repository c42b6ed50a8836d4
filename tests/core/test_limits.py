"""What the file of limits says, and how calls are counted."""

from __future__ import annotations

from pathlib import Path

import pytest

from runwire.core import quotas
from runwire.core.access import AccessError
from runwire.core.errors import QuotaExceeded
from runwire.core.limits import NO_LIMITS, Limits, TenantLimits
from runwire.core.quotas import Bucket
from runwire.core.settings import Settings


def limits(file: Path, text: str) -> TenantLimits:
    """What a file says."""
    file.write_text(text)
    return TenantLimits.of_settings(Settings(limits_file=str(file)))


def test_without_a_file_nobody_has_a_limit() -> None:
    assert TenantLimits.of_settings(Settings()).of("acme") == Limits() == NO_LIMITS.of("acme")


def test_a_tenants_own_limits_stand_before_those_of_all(tmp_path: Path) -> None:
    found = limits(
        tmp_path / "limits.toml",
        "[default]\nopen_runs = 10\nopen_streams = 5\n[tenant.acme]\nopen_runs = 20\nopen_streams = 0\n",
    )
    assert found.of("other") == Limits(open_runs=10, open_streams=5)
    assert found.of("acme") == Limits(open_runs=20)


def test_a_changed_file_is_in_force_at_the_next_call(tmp_path: Path) -> None:
    found = limits(tmp_path / "limits.toml", "[default]\nopen_runs = 1\n")
    assert found.of("acme").open_runs == 1
    (tmp_path / "limits.toml").write_text("[default]\nopen_runs = 25\n")
    assert found.of("acme").open_runs == 25
    (tmp_path / "limits.toml").write_text("[default]\nopen_runs = many\n")
    assert found.of("acme").open_runs == 25


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("[default]\nopen_rums = 1\n", "default.open_rums"),
        ("[default]\nopen_runs = -1\n", "default.open_runs"),
        ("[default]\nopen_runs = 3_000_000_000\n", "default.open_runs"),
        ("[default]\nopen_streams = 3_000_000_000\n", "default.open_streams"),
        ("[default]\nrequests_per_second = inf\n", "default.requests_per_second"),
        (f"[default]\nbytes_per_second = 1{'0' * 400}\n", "default.bytes_per_second"),
        ("[tenant.acme]\nrequests_per_second = 'x'\n", "tenant.acme.requests_per_second"),
        ("[acme]\n", "acme"),
        ("[tenant.'']\nopen_runs = 1\n", "tenant"),
        ("open_runs", "can't be used"),
    ],
)
def test_a_file_that_says_something_else_is_refused_by_name(tmp_path: Path, text: str, wrong: str) -> None:
    with pytest.raises(AccessError, match=wrong):
        limits(tmp_path / "limits.toml", text)


def test_a_bucket_gives_a_seconds_worth_at_once_and_its_rate_from_then_on() -> None:
    bucket = Bucket(10, 0)
    assert [bucket.take(1, 10, 0.0) for _ in range(10)] == [0] * 10
    wait = bucket.take(1, 10, 0.0)
    assert 0 < wait < 0.11
    assert bucket.take(1, 10, wait) == 0
    passed = sum(bucket.take(1, 10, wait + n / 1000) == 0 for n in range(10_000))
    assert 99 <= passed <= 101


def test_a_bucket_lets_a_large_amount_pass_and_has_it_paid_off() -> None:
    bucket = Bucket(100, 0)
    assert bucket.take(1000, 100, 0.0) == 0
    assert bucket.take(1, 100, 1.0) == pytest.approx(8, abs=0.01)
    assert bucket.take(1, 100, 9.1) == 0


def test_the_limits_of_many_tenants_take_no_room(tmp_path: Path) -> None:
    found = limits(tmp_path / "limits.toml", "[default]\nopen_runs = 1\n[tenant.acme]\nopen_runs = 2\n")
    assert found.of("acme") == Limits(open_runs=2)
    assert len({id(found.of(f"user-{number}")) for number in range(1000)}) == 1


def test_buckets_that_are_full_again_are_forgotten_and_debts_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quotas, "_BUCKETS", 10)
    made, now = quotas.Quotas(NO_LIMITS), 0.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    made._take("debtor", "bytes_per_second", 1000, 1)
    for number in range(1000):
        now = float(number)
        made._take(f"user-{number}", "bytes_per_second", 1, 1)
    assert len(made._buckets) < 20
    with pytest.raises(QuotaExceeded):
        made._take("debtor", "bytes_per_second", 1, 1)
