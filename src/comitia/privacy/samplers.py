"""Exact discrete Laplace and discrete Gaussian samples from uniform 64-bit words.

Only integers take part: no float is computed anywhere on the way from the words to a sample, so there is no
rounding for an attacker to read the secret from. Every step is a rejection step on independent lanes of
numpy arrays; a round proposes more lanes than are missing, keeps the accepted ones in lane order, and goes
on until there are enough. Lanes are independent and identically distributed, so cutting off surplus ones
does not change the law of the others.

The constructions follow Canonne, Kamath and Steinke, *The Discrete Gaussian for Differential Privacy* (2020),
algorithms 1 to 3, but for the scale of the Gaussian's proposal: see `discrete_gaussian`.

Overflow
    All arithmetic is on 64-bit integers. Two counters are unbounded in theory: the step k of
    `_bernoulli_exp` (reached with probability at most 1/(k-1)!) and the count v of `_geometric` (e^-v).
    They are held below `STEP_LIMIT` and `COUNT_LIMIT`; should one pass its limit (probability below 2^-1600
    and 2^-720 a draw) `OverflowError` is raised and nothing is returned: a product never wraps. With these
    limits the arguments are bounded by `MAX_SCALE` and `MAX_SIGMA_SQUARED`; the products they bound are
    stated where they are computed.

Time
    The number of rounds depends on the noise. Whoever can time a release to the microsecond may learn
    something about the noise of the whole batch. Nothing here hides that: a commitment leaves a provider as
    soon as its noise is drawn and its bytes are hashed.
"""

from __future__ import annotations

from collections.abc import Callable
from math import isqrt

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int64]
WordArray = NDArray[np.uint64]
Words = Callable[[int], WordArray]
"""Returns the asked number of independent words, each uniform on 0 .. 2^64 - 1."""

STEP_LIMIT = 1 << 8
COUNT_LIMIT = 500
MAX_SCALE = 1 << 52
"""Largest numerator and denominator of a discrete Laplace's scale."""
MAX_SIGMA_SQUARED = 1 << 44
"""Largest variance parameter of a discrete Gaussian: sigma up to 4.19 million grid steps."""


def uniform_below(words: Words, bound: int, size: int) -> IntArray:
    """Draw integers uniform on 0 .. bound - 1.

    Proof: words below 2^64 - (2^64 mod bound) fall on each residue equally often; the others are drawn again.

    Parameters
    ----------
    bound : int
        1 <= bound <= 2^63.
    size : int
        Number of draws.

    Returns
    -------
    int64 array, shape (size,)
    """
    if bound == 1:
        return np.zeros(size, dtype=np.int64)
    divisor = np.uint64(bound)
    highest = np.uint64((1 << 64) - 1 - (1 << 64) % bound)
    drawn = words(size)
    rejected = np.flatnonzero(drawn > highest)
    while rejected.size:
        drawn[rejected] = words(rejected.size)
        rejected = rejected[drawn[rejected] > highest]
    # numpy divides by a constant eight times as fast as it takes remainders
    return (drawn - drawn // divisor * divisor).astype(np.int64)


def _bernoulli_exp_fraction(words: Words, numerators: IntArray, denominator: int) -> NDArray[np.bool_]:
    """Draw Bernoulli(exp(-a/b)) for each numerator 0 <= a <= b.

    Proof: with x = a/b, step k succeeds with probability x/k, so the first failing step is later than k
    with probability x^k/k!. It is odd with probability sum over even k of (x^k/k! - x^(k+1)/(k+1)!) =
    exp(-x).

    Overflow: b <= 2^52 and k < 2^8 keep b·k below 2^60.
    """
    odd = np.empty(numerators.size, dtype=np.bool_)
    lanes = np.arange(numerators.size)
    step = 1
    while lanes.size:
        if step >= STEP_LIMIT:
            raise OverflowError("a rejection step passed its limit: the entropy source is broken")
        succeeds = uniform_below(words, denominator * step, lanes.size) < numerators[lanes]
        odd[lanes[~succeeds]] = step % 2 == 1
        lanes = lanes[succeeds]
        step += 1
    return odd


def _bernoulli_exp(words: Words, numerators: IntArray, denominator: int) -> NDArray[np.bool_]:
    """Draw Bernoulli(exp(-a/b)) for each numerator a >= 0.

    Proof: exp(-a/b) is exp(-1) to the whole part of a/b, times exp of minus the rest; all draws are
    independent and all must succeed. A lane with a failed draw needs no further ones.
    """
    whole, rest = np.divmod(numerators, denominator)
    result = _bernoulli_exp_fraction(words, rest, denominator)
    lanes = np.flatnonzero(result & (whole > 0))
    passed = 0
    while lanes.size:
        succeeds = _bernoulli_exp_fraction(words, np.ones(lanes.size, dtype=np.int64), 1)
        result[lanes[~succeeds]] = False
        passed += 1
        lanes = lanes[succeeds & (whole[lanes] > passed)]
    return result


def _geometric(words: Words, size: int) -> IntArray:
    """Draw v >= 0 with probability proportional to exp(-v): successes of Bernoulli(exp(-1)) before the
    first failure."""
    counts = np.zeros(size, dtype=np.int64)
    lanes = np.arange(size)
    for _ in range(COUNT_LIMIT):
        lanes = lanes[_bernoulli_exp_fraction(words, np.ones(lanes.size, dtype=np.int64), 1)]
        if not lanes.size:
            return counts
        counts[lanes] += 1
    raise OverflowError("a geometric count passed its limit: the entropy source is broken")


def _propose_laplace(words: Words, numerator: int, denominator: int, size: int) -> IntArray:
    """Return the accepted ones of `size` proposals of `discrete_laplace`.

    Overflow: u + n·v < 2^52 · (COUNT_LIMIT + 1) < 2^61.
    """
    offsets = uniform_below(words, numerator, size)
    offsets = offsets[_bernoulli_exp_fraction(words, offsets, numerator)]
    magnitudes = (offsets + numerator * _geometric(words, offsets.size)) // denominator
    negative = uniform_below(words, 2, magnitudes.size) == 1
    kept = ~(negative & (magnitudes == 0))
    signed = np.where(negative, -magnitudes, magnitudes)
    accepted: IntArray = signed[kept]
    return accepted


def _fill(propose: Callable[[int], IntArray], size: int, per_sample: float) -> IntArray:
    """Gather `size` accepted proposals, `per_sample` of which are expected to be needed for each."""
    parts = [np.empty(0, dtype=np.int64)]
    missing = size
    while missing > 0:
        parts.append(propose(int(missing * per_sample) + 16))
        missing -= parts[-1].size
    return np.concatenate(parts)[:size]


def discrete_laplace(words: Words, *, scale_numerator: int, scale_denominator: int, size: int) -> IntArray:
    """Draw integers y with probability proportional to exp(-|y|·d/n), the discrete Laplace of scale n/d.

    Proof: u uniform on 0 .. n-1, kept with probability exp(-u/n), and v with probability proportional to
    exp(-v) make x = u + n·v proportional to exp(-x/n) on 0, 1, 2, ...; y = floor(x/d) then is proportional
    to exp(-y·d/n), for the d values of x that lead to one y add up to a constant times that. A fair sign,
    with -0 rejected, leaves each y != 0 of either sign and y = 0 at half of that, all equally scaled.

    Parameters
    ----------
    scale_numerator, scale_denominator : int
        n and d, from 1 to `MAX_SCALE`.
    size : int
        Number of draws, >= 0.

    Returns
    -------
    int64 array, shape (size,)
        Magnitudes below 2^61.

    Raises
    ------
    ValueError
        Argument out of range.
    """
    if not (1 <= scale_numerator <= MAX_SCALE and 1 <= scale_denominator <= MAX_SCALE and size >= 0):
        raise ValueError(
            f"discrete Laplace of scale {scale_numerator}/{scale_denominator}, size {size}: numerator and "
            f"denominator must lie in 1 .. 2^52, the size must not be negative"
        )
    return _fill(lambda n: _propose_laplace(words, scale_numerator, scale_denominator, n), size, 2.0)


def _propose_gaussian(words: Words, sigma_squared: int, size: int) -> IntArray:
    """Return the accepted ones of the proposals of `discrete_gaussian`.

    Overflow: c = isqrt(s) gives s <= c^2 + 2c, so |y| <= (c + 2)·COUNT_LIMIT + c + 2 <= (2^22 + 2)·501 <
    2^31 and the square of the distance to c stays below 2^62.
    """
    centre = isqrt(sigma_squared)
    proposed = _propose_laplace(words, sigma_squared, centre, size)
    distance = np.abs(proposed) - centre
    return proposed[_bernoulli_exp(words, distance * distance, 2 * sigma_squared)]


def discrete_gaussian(words: Words, *, sigma_squared: int, size: int) -> IntArray:
    """Draw integers y with probability proportional to exp(-y^2 / 2s), the discrete Gaussian of parameter s.

    Proof: with c = isqrt(s), propose y proportional to exp(-|y|·c/s), a discrete Laplace of scale s/c, and
    keep it with probability exp(-(|y| - c)^2 / 2s). The product's exponent is -(2c|y| + y^2 - 2c|y| + c^2)
    / 2s = -(y^2 + c^2) / 2s, so what is kept is proportional to exp(-y^2 / 2s). This holds for every c; c
    near sigma keeps most proposals. Taking s/c as the scale, where the paper cited above takes floor(sigma)
    + 1, makes the numerator a square of an integer over 2s, which is why sigma may be so large.

    Parameters
    ----------
    sigma_squared : int
        s, from 1 to `MAX_SIGMA_SQUARED`. The variance is at most s, and equal to it to 40 decimals once s
        >= 5.
    size : int
        Number of draws, >= 0.

    Returns
    -------
    int64 array, shape (size,)
        Magnitudes below 2^31.

    Raises
    ------
    ValueError
        Argument out of range.
    """
    if not (1 <= sigma_squared <= MAX_SIGMA_SQUARED and size >= 0):
        raise ValueError(
            f"discrete Gaussian of sigma squared {sigma_squared}, size {size}: sigma squared must lie in "
            f"1 .. 2^44, the size must not be negative"
        )
    return _fill(lambda n: _propose_gaussian(words, sigma_squared, n), size, 2.2)
