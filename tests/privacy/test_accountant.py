"""What releases add up to."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from comitia.core.units import MICRO, PICO
from comitia.privacy.accountant import Total, cost_of
from comitia.privacy.gdp import mu_from
from comitia.privacy.mechanisms import gaussian, laplace
from comitia.privacy.noise import SeededNoise
from comitia.privacy.receipt import Receipt
from comitia.privacy.terms import PrivacyTerms

DELTA = 10_000_000
NOISE = SeededNoise(b"accountant")
VALUES = np.zeros(4, dtype=np.int64)


def receipt(epsilon: float, delta: float = 0) -> Receipt:
    terms = PrivacyTerms.of(epsilon, delta)
    if delta:
        return gaussian(VALUES, l2_sensitivity_squared=10**6, terms=terms, noise=NOISE).receipt
    return laplace(VALUES, l1_sensitivity=2, terms=terms, noise=NOISE).receipt


def composed(*receipts: Receipt) -> Total:
    totals = Total()
    for one in receipts:
        totals += cost_of(one.epsilon_micro, one.delta_pico)
    return totals


def test_ten_gaussian_releases_at_epsilon_1() -> None:
    totals = composed(*(receipt(1, 1e-5) for _ in range(10)))
    assert totals.epsilon_micro(DELTA) == pytest.approx(3.62 * MICRO, abs=5000)


def test_pure_releases_add_their_epsilons() -> None:
    totals = composed(*(receipt(0.5) for _ in range(10)))
    assert totals == Total(pure_micro=5 * MICRO)
    assert totals.epsilon_micro(DELTA) == 5 * MICRO


def test_the_two_totals_stay_apart() -> None:
    totals = composed(receipt(1, 1e-5), receipt(0.25))
    assert totals == Total(mu_squared=mu_from(MICRO, DELTA) ** 2, pure_micro=250_000)
    assert totals.epsilon_micro(DELTA) == pytest.approx(1_250_000, abs=1)


def test_a_fresh_release_on_the_same_terms_costs() -> None:
    assert composed(receipt(1), receipt(1)).epsilon_micro(DELTA) == 2 * MICRO


def test_nothing_costs_nothing() -> None:
    assert composed() == Total()
    assert Total().epsilon_micro(DELTA) == 0
    assert Total().within(0, DELTA)


@pytest.mark.parametrize("cap_micro", [0, 1, 400_000, 999_999, 1_000_000, 1_250_000, 5_000_000])
@pytest.mark.parametrize("total", [Total(), Total(pure_micro=400_000), cost_of(MICRO, DELTA)])
def test_within_agrees_with_the_epsilon(total: Total, cap_micro: int) -> None:
    assert total.within(cap_micro, DELTA) == (total.epsilon_micro(DELTA) <= cap_micro)


def test_a_cap_of_nothing_and_one_that_is_used_up_have_no_room_at_all() -> None:
    least = Total(mu_squared=1)
    assert not least.within(0, DELTA)
    assert not (Total(pure_micro=250_000) + least).within(250_000, DELTA)
    assert not (Total(pure_micro=1) + least).within(MICRO, 9)


def test_of_two_kinds_a_cap_is_divided_in_tenths() -> None:
    """A pure .25 takes three tenths of 1, which leaves .7 at a tenth of delta."""
    beside = Total(pure_micro=250_000)
    assert beside.room(MICRO, DELTA) == mu_from(700_000, DELTA // 10) ** 2
    assert (beside + Total(mu_squared=mu_from(700_000, DELTA // 10) ** 2)).within(MICRO, DELTA)
    assert not (beside + Total(mu_squared=mu_from(750_000, DELTA) ** 2)).within(MICRO, DELTA)
    assert not (beside + cost_of(1, DELTA)).within(250_000, DELTA)
    assert not (beside + cost_of(1, DELTA)).within(MICRO, 9)


def best_switch(room: Callable[[Total], int], gaussian_micro: int, cap: float, delta: float) -> float:
    """The delta, in parts of the promised one, that a requester reaches who asks for Gaussian releases, watches, and at
    the best moment spends what is left on one pure release: optimal stopping of the log of the likelihoods' ratio."""
    mu = mu_from(gaussian_micro, DELTA) / PICO
    rooms = {p: room(Total(pure_micro=p)) for p in range(0, int(cap * MICRO) + 1, 20_000)}
    pures = []  # the most that can still be asked for with a delta of 0, after each number of Gaussian releases
    while fitting := [p for p in rooms if mu_from(gaussian_micro, DELTA) ** 2 * len(pures) <= rooms[p]]:
        pures.append(fitting[-1] / MICRO)
    step = mu / 12
    ratio = np.arange(-round(8 / step), round(8 / step) + 1) * step
    moves = np.arange(-96, 97) * step
    law = np.exp(-((moves - mu**2 / 2) ** 2) / (2 * mu**2))
    law /= law.sum()

    def reached(pure: float) -> NDArray[np.float64]:
        heads = 1 / (1 + np.exp(-pure))
        up, down = (np.maximum(0, 1 - np.exp(np.minimum(0, cap - ratio - way))) for way in (pure, -pure))
        return np.asarray(heads * up + (1 - heads) * down)

    value = reached(pures[-1])
    for pure in reversed(pures[:-1]):
        padded = np.pad(value, 96, mode="edge")
        value = np.maximum(np.convolve(padded, law[::-1], "valid"), reached(pure))
    return float(value[len(ratio) // 2]) / delta


def test_whoever_changes_kind_at_the_best_moment_gains_no_more_than_twice_delta() -> None:
    def summed(beside: Total) -> int:
        left = MICRO - beside.pure_micro
        return mu_from(left, DELTA) ** 2 if left else 0

    assert best_switch(summed, 200_000, 1.0, 1e-5) > 3
    assert best_switch(lambda beside: beside.room(MICRO, DELTA), 200_000, 1.0, 1e-5) <= 2
