"""Noise in floating-point numbers gives the secret away in its last bits. The attacks here must find that, and find
nothing in what the samplers draw.

Two neighbours have the secret 0 or 1. *Preimages* (Mironov, *On Significance of the Least Significant Bits for
Differential Privacy*, 2012; Jin et al., *Are We There Yet?*, 2022): from an output, undo the noise of either secret and
see whether any random number could have led there. *Last places* (Haney et al., *Precision-based attacks and interval
refining*, 2022): compare how fine the outputs of either secret are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product
from math import isqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from comitia.privacy import samplers
from comitia.privacy.mechanisms import gaussian, laplace
from comitia.privacy.noise import SeededNoise
from comitia.privacy.terms import PrivacyTerms

SAMPLES = 20_000
SIGNIFICANCE = 1e-4
"""Seeds are fixed, so a test that passes once passes always."""
STEPS = 1 << 53
"""A float's random number is a whole number of these parts of 1."""
NEAR = range(-4, 5)
"""The random number is looked for this many steps around where real numbers would have it."""
GRID_BITS = 10

Secret = float
Floats = NDArray[np.float64]


def float_laplace(secret: Secret) -> Floats:
    """As textbooks have it: secret + sign·ln(u)."""
    generator = np.random.Generator(np.random.PCG64(int(secret)))
    return _laplace_of(secret, generator.integers(1, STEPS, SAMPLES), generator.choice([-1.0, 1.0], SAMPLES))


def float_gaussian(secret: Secret) -> Floats:
    """As textbooks have it, two at a time (Box and Muller); shape (SAMPLES, 2)."""
    generator = np.random.Generator(np.random.PCG64(int(secret)))
    return _gaussian_of(secret, *generator.integers(1, STEPS, (2, SAMPLES)))


def _laplace_of(secret: Secret, number: NDArray[np.int64], sign: Floats) -> Floats:
    return secret + sign * np.log(number / STEPS)


def _gaussian_of(secret: Secret, first: NDArray[np.int64], second: NDArray[np.int64]) -> Floats:
    radius, angle = np.sqrt(-2 * np.log(first / STEPS)), 2 * np.pi * (second / STEPS)
    return np.stack([secret + radius * np.cos(angle), secret + radius * np.sin(angle)], axis=1)


def laplace_could_be(secret: Secret, outputs: Floats) -> NDArray[np.bool_]:
    """Which outputs of `float_laplace` this secret can have led to."""
    noise = outputs - secret
    number = np.rint(np.exp(-np.abs(noise)) * STEPS).astype(np.int64)
    return np.any([_laplace_of(secret, number + step, -np.sign(noise)) == outputs for step in NEAR], axis=0)


def gaussian_could_be(secret: Secret, outputs: Floats) -> NDArray[np.bool_]:
    """Which pairs of `float_gaussian` this secret can have led to."""
    x, y = (outputs - secret).T
    first = np.rint(np.exp(-(x * x + y * y) / 2) * STEPS).astype(np.int64)
    second = np.rint(np.arctan2(y, x) / (2 * np.pi) % 1 * STEPS).astype(np.int64)
    tried = (_gaussian_of(secret, first + i, second + j) == outputs for i, j in product(NEAR, NEAR))
    return np.any([each.all(axis=1) for each in tried], axis=0)


@pytest.mark.parametrize(
    ("naive", "could_be"), [(float_laplace, laplace_could_be), (float_gaussian, gaussian_could_be)]
)
def test_preimages_give_away_the_secret_under_float_noise(
    naive: Callable[[Secret], Floats], could_be: Callable[[Secret, Floats], NDArray[np.bool_]]
) -> None:
    for secret in (0.0, 1.0):
        outputs = naive(secret)
        assert could_be(secret, outputs).mean() > 0.9
        assert could_be(1 - secret, outputs).mean() < 0.5


def comitia_laplace(secret: Secret) -> NDArray[np.int64]:
    """The product's own mechanism, secret 1 being 2^`GRID_BITS` steps."""
    return laplace(
        _on_the_grid(secret),
        l1_sensitivity=1 << GRID_BITS,
        terms=PrivacyTerms.of(1),
        noise=SeededNoise(b"laplace %d" % secret),
        grid_bits=GRID_BITS,
    ).value


def comitia_gaussian(secret: Secret) -> NDArray[np.int64]:
    """See `comitia_laplace`."""
    return gaussian(
        _on_the_grid(secret),
        l2_sensitivity_squared=4**GRID_BITS,
        terms=PrivacyTerms.of(1, "1e-5"),
        noise=SeededNoise(b"gaussian %d" % secret),
        grid_bits=GRID_BITS,
    ).value


def _on_the_grid(secret: Secret) -> NDArray[np.int64]:
    return np.full(SAMPLES, int(secret) << GRID_BITS, dtype=np.int64)


def last_places(outputs: NDArray[np.float64] | NDArray[np.int64]) -> NDArray[np.int64]:
    """The power of two of each output's lowest bit that is set; outputs of 0 are left out."""
    significands, exponents = np.frexp(outputs[outputs != 0].ravel().astype(np.float64))
    whole = np.ldexp(significands, 53).astype(np.int64)
    lowest = np.frexp((whole & -whole).astype(np.float64))[1]
    return np.asarray(exponents - 53 + lowest, dtype=np.int64)


def gives_away(mechanism: Callable[[Secret], NDArray[np.float64] | NDArray[np.int64]]) -> bool:
    """Whether the last places of the two secrets' outputs differ by more than chance."""
    places = [last_places(mechanism(secret)) for secret in (0.0, 1.0)]
    edges = np.arange(min(map(min, places)), max(map(max, places)) + 2)
    counts = np.stack([np.histogram(each, edges)[0] for each in places])
    counts = counts[:, counts.sum(axis=0) >= 20]
    return bool(stats.chi2_contingency(counts).pvalue < SIGNIFICANCE)


@pytest.mark.parametrize("naive", [float_laplace, float_gaussian])
def test_last_places_give_away_the_secret_under_float_noise(naive: Callable[[Secret], Floats]) -> None:
    assert gives_away(naive)


@pytest.mark.parametrize("mechanism", [comitia_laplace, comitia_gaussian])
def test_last_places_give_away_nothing_of_a_release(mechanism: Callable[[Secret], NDArray[np.int64]]) -> None:
    assert not gives_away(mechanism)


@pytest.mark.parametrize("modulus", [2, 3, 16, 1024])
@pytest.mark.parametrize("sampler", ["gaussian", "laplace", "uniform"])
def test_outputs_lie_alike_on_every_residue(sampler: str, modulus: int) -> None:
    noise = SeededNoise(b"residues")
    drawn = {
        "gaussian": lambda: noise.discrete_gaussian(sigma_squared=57_601**2, size=2 * SAMPLES),
        "laplace": lambda: noise.discrete_laplace(scale_numerator=400_009, scale_denominator=7, size=2 * SAMPLES),
        "uniform": lambda: samplers.uniform_below(noise._words, 3 << 52, 2 * SAMPLES),
    }[sampler]()
    counts = np.bincount(drawn % modulus, minlength=modulus)
    assert counts.min() > 0
    assert stats.chisquare(counts).pvalue > SIGNIFICANCE


class Script:
    """Random words that are not random: those that lead a sampler where it is wanted, one lane at a time."""

    def __init__(self, words: Iterator[int]) -> None:
        self._words = words

    def __call__(self, count: int) -> NDArray[np.uint64]:
        return np.array([next(self._words) for _ in range(count)], dtype=np.uint64)


HEADS = (0, 1)
"""Words that make Bernoulli(exp(-1)) succeed: its second step does, its third does not."""
TAILS = (1,)


def _towards_laplace(y: int, numerator: int, denominator: int) -> Iterator[int]:
    """Words that make `_propose_laplace` propose y."""
    count, offset = divmod(abs(y) * denominator, numerator)
    yield offset
    yield numerator - 1  # exp(-offset/numerator) succeeds
    for _ in range(count):
        yield from HEADS
    yield from TAILS
    yield int(y < 0)


def _towards_gaussian(y: int, sigma_squared: int) -> Iterator[int]:
    """Words that make `_propose_gaussian` propose y and keep it."""
    centre = isqrt(sigma_squared)
    yield from _towards_laplace(y, sigma_squared, centre)
    yield 2 * sigma_squared - 1  # exp(-rest) succeeds
    for _ in range((abs(y) - centre) ** 2 // (2 * sigma_squared)):
        yield from HEADS


@given(st.integers(-(10**6), 10**6), st.integers(10**5, 10**9), st.integers(1, 9))
def test_every_integer_can_be_drawn_as_laplace_noise(y: int, numerator: int, denominator: int) -> None:
    script = Script(_towards_laplace(y, numerator, denominator))
    assert samplers._propose_laplace(script, numerator, denominator, 1).tolist() == [y]


@given(st.integers(-(10**6), 10**6), st.integers(10**5, 2**22))
def test_every_integer_can_be_drawn_as_gaussian_noise(y: int, sigma: int) -> None:
    script = Script(_towards_gaussian(y, sigma**2))
    assert samplers._propose_gaussian(script, sigma**2, 1).tolist() == [y]
