"""How often the noise of releases alone leaves a session without a model; for people, nothing is decided by it.

Honest work shows a signal of rho e standard deviations of its noise, and the noise: z is normal with variance 1, e
being what public knowledge lets expect and rho how true that is. By check 5 of `verdicts`, where unverified work is
accepted, no release is used if all z are below 0: if one is not, the one with the largest z / e is not below the
median, and not rejected. Elsewhere none is used if all z are below 3, or so little is to be expected that nobody can
tell. Checks of lengths, references and distance turn some honest work away besides: the chance is at least this.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import erfc, prod, sqrt
from typing import Final

from comitia.consensus.rules import QualityRules
from comitia.core.units import MICRO
from comitia.privacy.gdp import mu_from
from comitia.privacy.terms import MAX_EPSILON_MICRO, PrivacyTerms

HALF_TRUE: Final = 0.5
"""The rho that is reckoned with where none is known: measured on made-up work orders, names of one word have .6, three
references 2.2."""
RARE: Final = 0.01
"""A chance to be left without a model that is taken."""


def chance_of_no_model(expected: Sequence[float], *, accept_unverified: bool, rho: float = HALF_TRUE) -> float:
    """The chance that noise alone leaves no release to be used.

    Parameters
    ----------
    expected : sequence of float
        For each release, the signal that public knowledge lets expect, in standard deviations of its noise; at least 0.
    accept_unverified : bool
        Whether the request uses releases that nobody can judge.
    rho : float
        How true public knowledge is; 0 says nothing, 1 as much as it says itself.
    """
    rules = QualityRules(quorum=1)
    if not accept_unverified and MICRO * max(expected, default=0.0) < rules.telling_micro:
        return 1.0
    least = 0.0 if accept_unverified else rules.least_signal_micro / MICRO
    return prod(_below(least - rho * each) for each in expected)


def enough_epsilon(expected: Sequence[float], terms: PrivacyTerms, *, accept_unverified: bool) -> float | None:
    """The least epsilon of one digit, above that of `terms`, at which a session is hardly ever left without a model.

    None if no epsilon is enough, or nothing is expected at all, from which nothing follows.
    """
    steps: Iterator[int] = (digit * 10**power for power in range(8) for digit in range(1, 10))
    for epsilon_micro in (step for step in steps if terms.epsilon_micro < step <= MAX_EPSILON_MICRO):
        clearer = _less_noise(terms, epsilon_micro)
        if chance_of_no_model([clearer * each for each in expected], accept_unverified=accept_unverified) < RARE:
            return float(epsilon_micro / MICRO)
    return None


def _below(deviations: float) -> float:
    """The chance that a standard normal draw is below."""
    return erfc(-deviations / sqrt(2)) / 2


def _less_noise(terms: PrivacyTerms, epsilon_micro: int) -> float:
    """How many times smaller noise is at another epsilon."""
    if terms.pure:
        return epsilon_micro / terms.epsilon_micro
    return mu_from(epsilon_micro, terms.delta_pico) / mu_from(terms.epsilon_micro, terms.delta_pico)
