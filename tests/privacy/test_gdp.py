"""mu-GDP: the noise table, its inverse, and that the discrete Gaussian keeps the continuous one's guarantee."""

from __future__ import annotations

from decimal import Context, Decimal, localcontext
from math import exp, isqrt, log, pi

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, stats

from comitia.core.errors import InputError
from comitia.core.units import MICRO, PICO
from comitia.privacy import gdp
from comitia.privacy.gdp import epsilon_from, mu_from
from comitia.privacy.receipt import SMOOTHING
from comitia.privacy.terms import MAX_EPSILON_MICRO

DELTA = PICO // 100_000
DIGITS = Context(prec=100)

epsilons = st.integers(1, MAX_EPSILON_MICRO)
deltas = st.integers(1, PICO - 1)


def delta_of(mu: float, epsilon: float) -> float:
    """The right-hand side of (*) in floats."""
    return float(stats.norm.cdf(-epsilon / mu + mu / 2) - exp(epsilon) * stats.norm.cdf(-epsilon / mu - mu / 2))


@pytest.mark.parametrize(("epsilon", "sigma"), [(0.5, 14.06), (1, 7.46), (2, 3.99), (4, 2.16), (8, 1.20)])
def test_the_noise_table_for_sensitivity_2(epsilon: float, sigma: float) -> None:
    assert 2 * PICO / mu_from(int(epsilon * MICRO), DELTA) == pytest.approx(sigma, abs=0.005)


def test_ten_releases_at_epsilon_1_are_3_62_together() -> None:
    assert epsilon_from(10 * mu_from(MICRO, DELTA) ** 2, DELTA) == pytest.approx(3.62 * MICRO, abs=0.005 * MICRO)


@pytest.mark.parametrize("epsilon", [0.01, 0.5, 1, 3, 10])
@pytest.mark.parametrize("delta", [1e-10, 1e-5, 0.01, 0.5])
def test_mu_agrees_with_floats(epsilon: float, delta: float) -> None:
    expected = optimize.brentq(lambda mu: delta_of(mu, epsilon) - delta, 1e-4, 30, xtol=1e-14)
    assert mu_from(round(epsilon * MICRO), round(delta * PICO)) / PICO == pytest.approx(expected, rel=1e-6)


@settings(max_examples=25)
@given(epsilons, deltas)
def test_mu_is_the_largest(epsilon_micro: int, delta_pico: int) -> None:
    mu = mu_from(epsilon_micro, delta_pico)
    with localcontext(DIGITS):
        epsilon, delta = Decimal(epsilon_micro) / MICRO, Decimal(delta_pico) / PICO
        assert gdp._delta_bound(Decimal(mu) / PICO, epsilon) < delta
        assert gdp._delta_bound(Decimal(mu + 1) / PICO, epsilon) > delta * gdp._DELTA_KEPT


@settings(max_examples=15)
@given(epsilons, deltas)
def test_epsilon_is_the_inverse_of_mu(epsilon_micro: int, delta_pico: int) -> None:
    back = epsilon_from(mu_from(epsilon_micro, delta_pico) ** 2, delta_pico)
    assert back <= epsilon_micro
    if epsilon_micro > 1000 and delta_pico > 1000:
        assert back >= epsilon_micro - 1


def test_a_wrong_first_guess_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = mu_from(MICRO, DELTA)
    for guess in ((1, 2), (PICO, 2 * PICO)):
        monkeypatch.setattr(gdp, "_neighbourhood", lambda *_, guess=guess: guess)
        assert gdp.mu_from.__wrapped__(MICRO, DELTA) == expected


def test_nothing_released_costs_nothing() -> None:
    assert epsilon_from(0, DELTA) == 0


def test_totals_beyond_epsilon_64_are_bounded_still() -> None:
    mu = 30.0
    bound = epsilon_from(int(mu * PICO) ** 2, DELTA) / MICRO
    assert bound == pytest.approx(mu**2 / 2 + mu * (2 * log(1e5)) ** 0.5, rel=1e-6)
    tight = optimize.brentq(lambda e: stats.norm.logcdf(-e / mu + mu / 2) - log(1e-5), 64, 2000)
    assert bound > tight


@pytest.mark.parametrize(("epsilon_micro", "delta_pico"), [(0, DELTA), (MICRO, 0), (MICRO, PICO), (65 * MICRO, DELTA)])
def test_out_of_range_is_refused(epsilon_micro: int, delta_pico: int) -> None:
    with pytest.raises(InputError) as caught:
        mu_from(epsilon_micro, delta_pico)
    assert caught.value.code == "bad-delta"


@given(st.floats(-15.9, 15.9))
def test_tail_bounds_enclose_the_tail(x: float) -> None:
    with localcontext(DIGITS):
        below, above = gdp._tail(Decimal(x))
        assert 0 <= above - below < Decimal("1e-79")
    assert float(above) == pytest.approx(float(stats.norm.sf(x)), rel=1e-10)


def test_the_constant_is_two_pi() -> None:
    assert float(gdp._TWO_PI) == 2 * pi
    # Machin's formula, to 100 digits
    unit = 10**110

    def arctan_of_inverse(n: int) -> int:
        term, total, k = unit // n, unit // n, 1
        while term:
            term //= -n * n
            k += 2
            total += term // k
        return total

    with localcontext(Context(prec=120)):
        two_pi = Decimal(8 * (4 * arctan_of_inverse(5) - arctan_of_inverse(239))).scaleb(-110)
        assert abs(two_pi - gdp._TWO_PI) < Decimal("1e-100")


def test_poisson_summation_bound() -> None:
    """Step 1 of the mechanism's proof: H < 2^-453."""
    exponent = -2 * pi**2 * SMOOTHING / log(2)
    assert 1 + exponent + 1e-6 < -453


def discrete_delta(sigma_squared: float, shift: int, epsilon: float) -> float:
    """delta of a discrete Gaussian at epsilon for one shift, by summing over all outcomes."""
    reach = 14 * isqrt(int(sigma_squared) + 1) + shift
    x = np.arange(-reach, reach + 1)
    p, q = (np.exp(-((x - move) ** 2) / (2 * sigma_squared)) for move in (0, shift))
    return float(np.maximum(p / p.sum() - exp(epsilon) * q / q.sum(), 0).sum())


@pytest.mark.parametrize("epsilon", [0.5, 1, 4])
@pytest.mark.parametrize("shift", [1, 2, 7, 100, 2000])
def test_discrete_gaussian_keeps_its_promise(epsilon: float, shift: int) -> None:
    """What the mechanism's proof says, by direct summation for shifts along an axis."""
    mu = mu_from(int(epsilon * MICRO), DELTA)
    sigma_squared = -(-(shift**2) * PICO**2 // mu**2) + SMOOTHING
    delta = discrete_delta(sigma_squared, shift, epsilon)
    assert delta <= 1e-5
    if shift >= 2000:
        assert delta > 0.99e-5
