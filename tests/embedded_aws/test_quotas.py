"""Quota arithmetic on injected time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedded_aws.quotas import DAY_S, MINUTE_S, WINDOWS, Limits, Meter, QuotaExceeded

KINDS = ["fixed", "sliding", "bucket"]
NOON = 1_795_348_800.0  # the start of a UTC minute
# Seconds to wait, then how much to ask for.
STEPS = st.lists(st.tuples(st.floats(0, 90), st.integers(1, 40)), min_size=1, max_size=60)


def admitted(kind, limit, steps):
    """What a window of a minute lets through: (time, amount)."""
    window, now, taken = WINDOWS[kind](limit, MINUTE_S), NOON, []
    for wait, amount in steps:
        now += wait
        if window.room(now) >= amount:
            window.take(amount, now)
            taken.append((now, amount))
    return taken


@given(STEPS, st.integers(1, 100))
def test_a_fixed_window_never_admits_more_than_its_limit_in_a_minute_of_the_clock(steps, limit):
    minutes = {}
    for at, amount in admitted("fixed", limit, steps):
        minutes[at // 60] = minutes.get(at // 60, 0) + amount
    assert all(total <= limit for total in minutes.values())


@given(STEPS, st.integers(1, 100))
def test_a_sliding_window_never_admits_more_than_its_limit_in_any_minute(steps, limit):
    taken = admitted("sliding", limit, steps)
    for end, _ in taken:
        assert sum(amount for at, amount in taken if end - 60 < at <= end) <= limit


@given(STEPS, st.integers(1, 100))
def test_a_bucket_admits_its_limit_and_what_has_dripped_since(steps, limit):
    taken = admitted("bucket", limit, steps)
    for first, (start, _) in enumerate(taken):
        for last in range(first, len(taken)):
            spent = sum(amount for _, amount in taken[first : last + 1])
            assert spent <= limit + (taken[last][0] - start) * limit / 60 + 1e-6


@pytest.mark.parametrize("kind", KINDS)
def test_after_two_periods_everything_is_there_again(kind):
    window = WINDOWS[kind](10, MINUTE_S)
    window.take(10, NOON)
    assert window.room(NOON) == 0
    assert window.room(NOON + 121) == pytest.approx(10)


@pytest.mark.parametrize("kind", KINDS)
@given(st.integers(1, 500), st.integers(0, 500), st.floats(0, 59))
def test_what_is_given_back_within_the_period_can_be_taken_again(kind, taken, unused, later):
    unused = min(unused, taken)
    window = WINDOWS[kind](1_000, MINUTE_S)
    window.take(taken, NOON)
    window.give_back(unused, NOON, NOON + later)
    left = window.room(NOON + later)
    assert left >= 1_000 - (taken - unused) - 1e-6
    assert left <= 1_000


@pytest.mark.parametrize("kind", ["fixed", "sliding"])
def test_what_is_given_back_too_late_changes_nothing(kind):
    window = WINDOWS[kind](100, MINUTE_S)
    window.take(80, NOON)
    window.take(30, NOON + 130)
    window.give_back(80, NOON, NOON + 130)
    assert window.room(NOON + 130) == 70


def test_a_fixed_minute_starts_anew_and_a_sliding_one_does_not():
    fixed, sliding = (WINDOWS[kind](3, MINUTE_S) for kind in ("fixed", "sliding"))
    for window in (fixed, sliding):
        window.take(3, NOON + 59)
    assert fixed.room(NOON + 60) == 3
    assert sliding.room(NOON + 60) == 0


def test_a_sliding_window_keeps_no_more_than_its_slots():
    window = WINDOWS["sliding"](10**9, MINUTE_S)
    for number in range(100_000):
        window.take(1, NOON + number / 100)
        window.room(NOON + number / 100)
    assert len(window._slots) <= window.SLOTS + 1


# --- the meter --------------------------------------------------------------------------------------------------


def meter(rpm=None, tpm=None, tpd=None, burndown=5, window="fixed"):
    return Meter(Limits(rpm, tpm, tpd), burndown, window)


def refused(meter, input_tokens, max_tokens, now):
    with pytest.raises(QuotaExceeded) as caught:
        meter.reserve(input_tokens, max_tokens, now)
    return caught.value.quota


def test_each_quota_refuses_under_its_own_name():
    own = meter(rpm=1)
    own.reserve(1, 1, NOON)
    assert refused(own, 1, 1, NOON + 1) == "rpm"
    assert refused(meter(tpm=99), 50, 50, NOON) == "tpm"
    assert refused(meter(tpd=99), 50, 50, NOON) == "tpd"


def test_a_refused_request_takes_nothing():
    own = meter(rpm=2, tpm=100, tpd=1_000)
    assert refused(own, 100, 1, NOON) == "tpm"
    own.reserve(50, 50, NOON)
    assert refused(own, 1, 0, NOON) == "tpm"
    own.reserve(50, 50, NOON + 60)


def test_the_reservation_is_input_and_max_tokens_without_burndown():
    own = meter(tpm=1_000, burndown=15)
    own.reserve(100, 900, NOON)
    assert refused(own, 1, 0, NOON) == "tpm"


def test_settlement_counts_output_with_its_burndown_and_cache_writes_and_gives_back_the_rest():
    own = meter(tpm=10_000, burndown=5)
    reservation = own.reserve(100, 4_000, NOON)
    own.settle(reservation, 100, 50, 10, NOON + 2)  # 100 + 50 + 10 x 5 = 200
    own.reserve(0, 9_800, NOON + 3)
    assert refused(own, 1, 0, NOON + 3) == "tpm"


def test_output_that_burns_more_than_was_reserved_is_owed():
    own = meter(tpm=1_000, burndown=15)
    reservation = own.reserve(100, 100, NOON)
    own.settle(reservation, 100, 0, 100, NOON + 2)  # 100 + 100 x 15 = 1,600
    assert refused(own, 1, 0, NOON + 3) == "tpm"
    own.reserve(1, 0, NOON + 60)


def test_tokens_a_day_outlast_the_minute():
    own = meter(tpm=100, tpd=150, burndown=1)
    own.reserve(100, 0, NOON)
    assert refused(own, 100, 0, NOON + 60) == "tpd"
    own.reserve(100, 0, NOON + DAY_S)


REQUESTS = st.lists(
    st.tuples(st.integers(0, 300), st.integers(1, 300), st.floats(0, 1), st.floats(0, 20)), min_size=1, max_size=40
)


@given(REQUESTS, st.sampled_from(KINDS), st.integers(1, 15))
def test_settled_requests_leave_in_the_window_exactly_what_they_used(requests, kind, burndown):
    """Within one minute nothing refills but the bucket, so what is left is the limit less what was used."""
    limit = 10**9
    own, used = meter(tpm=limit, burndown=burndown, window=kind), 0
    for input_tokens, max_tokens, share, _ in requests:
        output_tokens = int(max_tokens * share)
        own.settle(own.reserve(input_tokens, max_tokens, NOON), input_tokens, 0, output_tokens, NOON)
        used += input_tokens + output_tokens * burndown
    own.reserve(limit - used, 0, NOON)
    assert refused(own, 1, 0, NOON) == "tpm"


@given(REQUESTS, st.sampled_from(KINDS))
def test_no_more_is_ever_reserved_at_once_than_the_limit(requests, kind):
    own, now, open_tokens = meter(tpm=500, burndown=1, window=kind), NOON, 0
    for input_tokens, max_tokens, _, _ in requests:
        try:
            open_tokens += own.reserve(input_tokens, max_tokens, now).tokens
        except QuotaExceeded:
            assert open_tokens + input_tokens + max_tokens > 500
    assert open_tokens <= 500
