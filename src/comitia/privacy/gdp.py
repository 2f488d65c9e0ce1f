"""Gaussian differential privacy (Dong, Roth and Su, 2020) in integers rounded towards more privacy.

A release whose sensitivity is mu times its noise's sigma is mu-GDP, several are sqrt(sum mu^2)-GDP
together, and what is mu-GDP is (epsilon, delta)-private exactly if

    delta >= Phi(-epsilon/mu + mu/2) - exp(epsilon)·Phi(-epsilon/mu - mu/2).                     (*)

mu is in units of 1e-12, epsilon in millionths, delta in 1e-12. (*) is computed in decimal arithmetic of 100
digits, whose results are the same on every machine, with its error added; floats only say where to look first.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Context, Decimal, localcontext
from functools import lru_cache
from math import erfc, exp, isqrt

from comitia.core.errors import InputError
from comitia.core.units import MICRO, PICO
from comitia.privacy.terms import MAX_EPSILON_MICRO

_DIGITS = 100
_TWO_PI = Decimal(
    "6.283185307179586476925286766559005768394338798750211641949889184615632812572417997256069650684234135964296173"
)
_TAIL_ERROR = Decimal("1e-80")
_FURTHEST = 16
_TAIL_AT_FURTHEST = Decimal("7e-58")
_MAX_MU_PICO = 32 * PICO
_DELTA_KEPT = 1 - Decimal("1e-18")
"""The share of delta given to (*); the rest pays for the noise being discrete: see `mechanisms.gaussian`."""


def _tail(x: Decimal) -> tuple[Decimal, Decimal]:
    """Bound Phi(-x) from below and above.

    For 0 <= x <= 16 by Phi(-x) = 1/2 - phi(x)·(x + x^3/3 + x^5/(3·5) + ...). All terms are positive and
    their sum times phi is below 1/2, so rounding in 100 digits over at most 1000 terms errs by less than
    1e-96; past k > x^2 each term is below half the one before, so the terms cut off add up to less than the
    last, 1e-90. Above 16 the bounds are 0 and Phi(-16) < 7e-58.
    """
    if x < 0:
        below, above = _tail(-x)
        return 1 - above, 1 - below
    if x > _FURTHEST:
        return Decimal(0), _TAIL_AT_FURTHEST
    density = (-x * x / 2).exp() / _TWO_PI.sqrt()
    term = total = x
    k = 1
    while term * density > Decimal("1e-90") or k <= x * x:
        k += 2
        term = term * x * x / k
        total += term
    value = Decimal("0.5") - density * total
    return max(Decimal(0), value - _TAIL_ERROR), value + _TAIL_ERROR


def _delta_bound(mu: Decimal, epsilon: Decimal) -> Decimal:
    """Bound from above the right-hand side of (*). The error is below exp(64)·1e-80 + 7e-58 < 1e-50."""
    _, first = _tail(epsilon / mu - mu / 2)
    second, _ = _tail(epsilon / mu + mu / 2)
    return first - epsilon.exp() * second


def _largest(holds: Callable[[int], bool], low: int, high: int) -> int:
    """Return the largest n in low .. high - 1 with `holds(n)`, for a condition true at low that once false
    stays false."""
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low


def _neighbourhood(epsilon_micro: int, delta_pico: int) -> tuple[int, int]:
    """Guess in floats between which two mu the answer of `mu_from` lies; the caller checks, so it may be
    wrong."""
    epsilon, delta = epsilon_micro / MICRO, delta_pico / PICO
    low, high = 1e-12, _MAX_MU_PICO / PICO
    for _ in range(60):
        mu = (low + high) / 2
        near, far = epsilon / mu - mu / 2, epsilon / mu + mu / 2
        reached = erfc(near / 2**0.5) / 2 - exp(epsilon) * erfc(far / 2**0.5) / 2
        low, high = (mu, high) if reached <= delta else (low, mu)
    return max(1, int(low * PICO * (1 - 1e-10)) - 2), int(low * PICO * (1 + 1e-10)) + 2


@lru_cache(maxsize=256)
def mu_from(epsilon_micro: int, delta_pico: int) -> int:
    """Return the largest mu whose mu-GDP implies (epsilon, delta), rounded down.

    Parameters
    ----------
    epsilon_micro : int
        1 .. `MAX_EPSILON_MICRO`.
    delta_pico : int
        1 .. 10^12 - 1.

    Returns
    -------
    int
        mu in units of 1e-12, at least 1.

    Raises
    ------
    InputError
        delta is 0, or so small beside epsilon that no noise is enough.
    """
    if not (1 <= epsilon_micro <= MAX_EPSILON_MICRO and 1 <= delta_pico < PICO):
        raise InputError(
            "Gaussian noise needs an epsilon above 0 and at most 64 and a delta above 0 and below 1",
            code="bad-delta",
            hint="take delta 1e-5, or a mechanism with pure privacy",
            epsilon_micro=epsilon_micro,
            delta_pico=delta_pico,
        )
    with localcontext(Context(prec=_DIGITS)):
        epsilon = Decimal(epsilon_micro) / MICRO
        delta = Decimal(delta_pico) / PICO * _DELTA_KEPT

        def holds(mu_pico: int) -> bool:
            return _delta_bound(Decimal(mu_pico) / PICO, epsilon) <= delta

        low, high = _neighbourhood(epsilon_micro, delta_pico)
        if not (holds(low) and not holds(high)):
            low, high = 1, _MAX_MU_PICO
        return _largest(holds, low, high)


def largest_epsilon(mu_squared: int, delta_pico: int) -> int:
    """Return the largest epsilon whose `mu_from` squared is at most this, in millionths; 0 where none is.

    `epsilon_from` is the smallest epsilon that mu guarantees: itself if its own mu fits, else one millionth less.
    """
    if mu_squared <= 0:
        return 0
    epsilon = epsilon_from(mu_squared, delta_pico)
    return epsilon if mu_from(epsilon, delta_pico) ** 2 <= mu_squared else epsilon - 1


@lru_cache(maxsize=4096)
def epsilon_from(mu_squared: int, delta_pico: int) -> int:
    """Return the smallest epsilon that a composition of Gaussian releases guarantees at a delta, rounded up.

    Parameters
    ----------
    mu_squared : int
        Sum of the releases' mu^2, mu in units of 1e-12; 0 for no release.
    delta_pico : int
        1 .. 10^12 - 1.

    Returns
    -------
    int
        epsilon in millionths. Where it is above 64, the bound mu^2/2 + mu·sqrt(2 ln(1/delta)) of
        zero-concentrated privacy instead, which is valid but larger.
    """
    if mu_squared == 0:
        return 0
    with localcontext(Context(prec=_DIGITS)):
        mu = Decimal(isqrt(mu_squared - 1) + 1) / PICO
        delta = Decimal(delta_pico) / PICO * _DELTA_KEPT

        def too_small(epsilon_micro: int) -> bool:
            return _delta_bound(mu, Decimal(epsilon_micro) / MICRO) > delta

        if mu > _MAX_MU_PICO // PICO or too_small(MAX_EPSILON_MICRO):
            bound = mu * mu / 2 + mu * (-2 * delta.ln()).sqrt()
            return int(bound * MICRO) + 1
        return _largest(too_small, 0, MAX_EPSILON_MICRO) + 1
