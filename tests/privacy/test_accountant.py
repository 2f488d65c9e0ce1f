"""What releases add up to."""

from __future__ import annotations

import numpy as np
import pytest

from comitia.privacy.accountant import Total, Totals, cost_of
from comitia.privacy.gdp import mu_from
from comitia.privacy.mechanisms import gaussian, laplace
from comitia.privacy.noise import SeededNoise
from comitia.privacy.receipt import Receipt
from comitia.privacy.terms import MICRO, PrivacyTerms, Slots

DELTA = 10_000_000
NOISE = SeededNoise(b"accountant")
VALUES = np.zeros(4, dtype=np.int64)


def receipt(epsilon: float, delta: float = 0, slots: Slots = Slots.ALL) -> Receipt:
    terms = PrivacyTerms.of(epsilon, delta)
    if delta:
        return gaussian(VALUES, l2_sensitivity_squared=10**6, terms=terms, noise=NOISE, slots=slots).receipt
    return laplace(VALUES, l1_sensitivity=2, terms=terms, noise=NOISE, slots=slots).receipt


def composed(*receipts: Receipt) -> Totals:
    totals = Totals()
    for one in receipts:
        totals = totals.add(cost_of(one.epsilon_micro, one.delta_pico), one.slots)
    return totals


def test_ten_gaussian_releases_at_epsilon_1() -> None:
    totals = composed(*(receipt(1, 1e-5) for _ in range(10)))
    assert totals.epsilon_micro(DELTA) == pytest.approx(3.62 * MICRO, abs=5000)


def test_pure_releases_add_their_epsilons() -> None:
    totals = composed(*(receipt(0.5) for _ in range(10)))
    assert totals.training == Total(pure_micro=5 * MICRO)
    assert totals.epsilon_micro(DELTA) == 5 * MICRO


def test_the_two_totals_stay_apart() -> None:
    totals = composed(receipt(1, 1e-5), receipt(0.25))
    assert totals.training == Total(mu_squared=mu_from(MICRO, DELTA) ** 2, pure_micro=250_000)
    assert totals.epsilon_micro(DELTA) == pytest.approx(1_250_000, abs=1)


def test_training_and_hold_out_compose_in_parallel() -> None:
    totals = composed(receipt(1, slots=Slots.TRAINING), receipt(0.75, slots=Slots.HOLD_OUT))
    assert totals.epsilon_micro(DELTA) == MICRO
    assert composed(receipt(0.5), receipt(1, slots=Slots.HOLD_OUT)).epsilon_micro(DELTA) == 1_500_000


def test_a_fresh_release_on_the_same_terms_costs() -> None:
    assert composed(receipt(1), receipt(1)).epsilon_micro(DELTA) == 2 * MICRO


def test_nothing_costs_nothing() -> None:
    assert composed() == Totals()
    assert Totals().epsilon_micro(DELTA) == 0
    assert Totals().within(0, DELTA)


@pytest.mark.parametrize("cap_micro", [0, 1, 400_000, 999_999, 1_000_000, 1_250_000, 5_000_000])
@pytest.mark.parametrize(
    "total",
    [Total(), Total(pure_micro=400_000), cost_of(MICRO, DELTA), cost_of(MICRO, DELTA) + Total(pure_micro=250_000)],
)
def test_within_agrees_with_the_epsilon(total: Total, cap_micro: int) -> None:
    assert total.within(cap_micro, DELTA) == (total.epsilon_micro(DELTA) <= cap_micro)
