"""The samplers follow their laws exactly: against the laws themselves, against OpenDP, and at their limits."""

from __future__ import annotations

import ast
import inspect
from collections import Counter
from math import isqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from comitia.privacy import noise, samplers
from comitia.privacy.noise import SeededNoise, SystemNoise
from comitia.privacy.samplers import COUNT_LIMIT, MAX_SCALE, MAX_SIGMA_SQUARED, STEP_LIMIT

SAMPLES = 40_000
SIGNIFICANCE = 1e-4
"""Seeds are fixed, so a test that passes once passes always."""
UNHEARD_OF = 1e-12
"""Where another library draws, which takes no seed: a scale wrong by a third is still seen."""


def fits(drawn: np.ndarray, weights: dict[int, float]) -> float:
    """p-value of a chi-square test, with the bins that expect fewer than 10 gathered in one."""
    total = sum(weights.values())
    counts = Counter(drawn.tolist())
    seen, expected = [0.0], [0.0]
    for value, weight in weights.items():
        share = weight / total * drawn.size
        if share < 10:
            seen[0] += counts.pop(value, 0)
            expected[0] += share
        else:
            seen.append(counts.pop(value, 0))
            expected.append(share)
    seen[0] += sum(counts.values())
    if expected[0] < 5:
        seen[1] += seen.pop(0)
        expected[1] += expected.pop(0)
    return float(stats.chisquare(seen, expected, sum_check=False).pvalue)


@pytest.mark.parametrize("sigma_squared", [1, 2, 3, 7, 16, 30, 1000])
def test_gaussian_follows_its_law(sigma_squared: int) -> None:
    drawn = SeededNoise(b"law").discrete_gaussian(sigma_squared=sigma_squared, size=SAMPLES)
    reach = 12 * (isqrt(sigma_squared) + 1)
    law = {y: float(np.exp(-y * y / (2 * sigma_squared))) for y in range(-reach, reach + 1)}
    assert fits(drawn, law) > SIGNIFICANCE


@pytest.mark.parametrize(("numerator", "denominator"), [(1, 1), (1, 3), (2, 1), (7, 2), (10, 3), (2_000_000, 999_999)])
def test_laplace_follows_its_law(numerator: int, denominator: int) -> None:
    drawn = SeededNoise(b"law").discrete_laplace(scale_numerator=numerator, scale_denominator=denominator, size=SAMPLES)
    law = {y: float(np.exp(-abs(y) * denominator / numerator)) for y in range(-200, 201)}
    assert fits(drawn, law) > SIGNIFICANCE


def test_the_test_of_the_law_sees_a_wrong_law() -> None:
    drawn = SeededNoise(b"law").discrete_gaussian(sigma_squared=32, size=SAMPLES)
    assert fits(drawn, {y: float(np.exp(-y * y / 60)) for y in range(-80, 81)}) < SIGNIFICANCE


@pytest.mark.parametrize("sigma", [3, 1229, 57_601, 2**22])
def test_gaussian_moments(sigma: int) -> None:
    drawn = SeededNoise(b"moments").discrete_gaussian(sigma_squared=sigma**2, size=SAMPLES) / sigma
    assert abs(drawn.mean()) < 4 / SAMPLES**0.5
    assert abs((drawn**2).mean() - 1) < 4 * (2 / SAMPLES) ** 0.5
    assert abs((drawn**4).mean() - 3) < 4 * (96 / SAMPLES) ** 0.5
    assert stats.kstest(drawn, "norm").pvalue > SIGNIFICANCE or sigma < 100


@pytest.mark.parametrize("sigma", [2, 50, 3000])
def test_gaussian_agrees_with_opendp(sigma: int) -> None:
    dp = pytest.importorskip("opendp.prelude")
    dp.enable_features("contrib")
    space = dp.vector_domain(dp.atom_domain(T="i64")), dp.l2_distance(T="i64")
    theirs = dp.m.make_gaussian(*space, scale=float(sigma))([0] * 20_000)
    ours = SeededNoise(b"opendp").discrete_gaussian(sigma_squared=sigma**2, size=20_000)
    assert stats.ks_2samp(theirs, ours).pvalue > UNHEARD_OF


@pytest.mark.parametrize("scale", [1, 6])
def test_laplace_agrees_with_opendp(scale: int) -> None:
    dp = pytest.importorskip("opendp.prelude")
    dp.enable_features("contrib")
    space = dp.vector_domain(dp.atom_domain(T="i64")), dp.l1_distance(T="i64")
    theirs = dp.m.make_laplace(*space, scale=float(scale))([0] * 20_000)
    ours = SeededNoise(b"opendp").discrete_laplace(scale_numerator=scale, scale_denominator=1, size=20_000)
    assert stats.ks_2samp(theirs, ours).pvalue > UNHEARD_OF


@pytest.mark.parametrize("module", [samplers, noise])
def test_no_float_on_the_way_to_a_sample(module: object) -> None:
    tree = ast.parse(inspect.getsource(module))  # type: ignore[arg-type]
    # `per_sample` only says how many lanes to propose at once, never what is drawn
    allowed = {2.0, 2.2}
    for node in ast.walk(tree):
        assert not isinstance(node, ast.BinOp | ast.AugAssign) or not isinstance(node.op, ast.Div)
        if isinstance(node, ast.Constant) and isinstance(node.value, float):
            assert node.value in allowed
        if isinstance(node, ast.Attribute):
            assert not node.attr.startswith("float")
            assert node.attr not in {"random", "exp", "log", "sqrt", "true_divide"}


def test_samples_are_64_bit_integers_of_the_asked_number() -> None:
    for size in (0, 1, 2, 17):
        drawn = SystemNoise().discrete_gaussian(sigma_squared=5, size=size)
        assert drawn.dtype == np.int64
        assert drawn.shape == (size,)


@given(st.integers(1, MAX_SIGMA_SQUARED))
def test_gaussian_never_leaves_64_bits(sigma_squared: int) -> None:
    centre = isqrt(sigma_squared)
    furthest = (sigma_squared * COUNT_LIMIT + sigma_squared) // centre
    assert furthest < 2**31
    assert max(furthest - centre, centre) ** 2 < 2**62
    assert 2 * sigma_squared * STEP_LIMIT < 2**63
    assert sigma_squared * (COUNT_LIMIT + 1) < 2**63


def test_laplace_never_leaves_64_bits() -> None:
    assert MAX_SCALE * (COUNT_LIMIT + 1) < 2**61
    assert MAX_SCALE * STEP_LIMIT < 2**63


@given(st.sampled_from([1, 2, 2**20, 2**43, MAX_SIGMA_SQUARED - 1, MAX_SIGMA_SQUARED]), st.binary(max_size=8))
def test_gaussian_at_its_limits(sigma_squared: int, seed: bytes) -> None:
    drawn = SeededNoise(seed).discrete_gaussian(sigma_squared=sigma_squared, size=50)
    assert np.abs(drawn).max() < 12 * (isqrt(sigma_squared) + 1)


@pytest.mark.parametrize("sigma_squared", [0, -1, MAX_SIGMA_SQUARED + 1])
def test_gaussian_refuses_what_would_overflow(sigma_squared: int) -> None:
    with pytest.raises(ValueError, match=r"2\^44"):
        SystemNoise().discrete_gaussian(sigma_squared=sigma_squared, size=1)


@pytest.mark.parametrize(("numerator", "denominator"), [(0, 1), (1, 0), (MAX_SCALE + 1, 1), (1, MAX_SCALE + 1)])
def test_laplace_refuses_what_would_overflow(numerator: int, denominator: int) -> None:
    with pytest.raises(ValueError, match=r"2\^52"):
        SystemNoise().discrete_laplace(scale_numerator=numerator, scale_denominator=denominator, size=1)


def test_a_broken_generator_ends_in_an_error() -> None:
    def zeros(count: int) -> np.ndarray:
        return np.zeros(count, dtype=np.uint64)

    with pytest.raises(OverflowError, match="entropy source"):
        samplers.discrete_gaussian(zeros, sigma_squared=100, size=3)


def test_uniform_draws_words_beyond_the_last_whole_multiple_again() -> None:
    stream = iter([2**64 - 1, 2**64 - 2, 2**64 - 1, 7])

    def words(count: int) -> np.ndarray:
        return np.array([next(stream) for _ in range(count)], dtype=np.uint64)

    # 2^64 mod 3 = 1: of the words only 2^64 - 1 is left over
    assert samplers.uniform_below(words, 3, 2).tolist() == [1, (2**64 - 2) % 3]


@given(st.integers(1, 2**63), st.binary(max_size=4))
def test_uniform_stays_below_its_bound(bound: int, seed: bytes) -> None:
    drawn = samplers.uniform_below(SeededNoise(seed)._words, bound, 50)
    assert drawn.min() >= 0
    assert int(drawn.max()) < bound


@pytest.mark.parametrize("bound", [3, 2**62 + 1, 2**63])
def test_uniform_is_uniform(bound: int) -> None:
    drawn = samplers.uniform_below(SeededNoise(b"uniform")._words, bound, SAMPLES)
    assert stats.kstest((drawn + 0.5) / bound, "uniform").pvalue > SIGNIFICANCE or bound == 3
    assert fits(drawn % 3, {0: 1, 1: 1, 2: 1}) > SIGNIFICANCE


def test_bernoulli_of_an_exponential() -> None:
    words = SeededNoise(b"coin")._words
    for numerator, denominator in [(0, 1), (1, 3), (1, 1), (5, 2), (12, 4)]:
        heads = samplers._bernoulli_exp(words, np.full(SAMPLES, numerator), denominator).sum()
        chance = float(np.exp(-numerator / denominator))
        assert stats.binomtest(int(heads), SAMPLES, chance).pvalue > SIGNIFICANCE
