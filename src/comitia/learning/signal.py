"""Is a release any good? A matched filter on the release itself: public, exact, and free of budget.

With S_c provider i's noised sum and n_c its noised count of category c, m0 the pool's mean and Q_c what public
knowledge (names and references) has as the category's mean, centred so that the Q_c of all judged categories add up
to 0, honest work is n_c (m0 + rho Q_c) plus noise, rho being how true public knowledge is. The filter that shows most
of it weighs each category by its count:

    z = sum_c n_c <S_c - n_c m0, Q_c> / (sigma sqrt(sum_c n_c² (|Q_c|² + <m0, Q_c>² / kappa²)))

is the release's resemblance to public knowledge in standard deviations of its own noise. Honest work is expected to
reach rho sum_c n_c² |Q_c|² in the numerator. Categories of which nothing is public have Q_c = 0. What all categories
share says nothing, and a provider of one category alone can be judged as well.

All figures are integers: everybody gets the same ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isqrt

import numpy as np
from numpy.typing import NDArray

from comitia.core.units import MICRO
from comitia.learning.class_sums import inverse_count_weight
from comitia.learning.local_model import LocalModel
from comitia.learning.posterior import (
    POSTERIOR_BITS,
    PRIOR_UNIT,
    posterior,
    prior_documents,
    public_documents,
    public_evidence,
    released_counts,
)
from comitia.privacy.released import Released
from comitia.text.codebook import MEAN_BITS, Codebook

_DIRECTION_BITS = 16
"""Q counts in units of 2**-16: products with sums of 2^24 documents on the finest grid of 2^14 then fit 64 bits."""
MOST_MICRO = 10**15
"""Figures count up to a thousand million standard deviations, and stay there."""
_SHARE_BITS = 10
"""Steps count as 1024ths of the way."""
_WEIGHT_BITS = 4
"""Categories weigh in sixteenths of a document."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """What the matched filter says of one release.

    Attributes
    ----------
    z_micro : int
        Measured resemblance to public knowledge, in millionths of a standard deviation of the noise, rounded to zero.
    expected_micro : int
        What honest work of the released counts would show if rho were 1, in the same unit; never negative.
    """

    z_micro: int
    expected_micro: int


def signal(codebook: Codebook, release: Released[LocalModel]) -> Signal | None:
    """Judge a release by public knowledge.

    Returns
    -------
    Signal or None
        None where fewer than two categories have a name or a reference: there is nothing public to judge by.
    """
    judged = np.flatnonzero(public_evidence(codebook))
    if judged.size < 2:
        return None
    directions = _centred(posterior(codebook, ()).means[judged])
    lengths = _products(directions, directions)
    return _filtered(codebook, release, judged, codebook.pool_mean, directions, lengths)


def expected_signal(codebook: Codebook, counts: NDArray[np.float64], noise_variance: float) -> float | None:
    """What `signal` would expect of a release before it is made; for people, in floating point.

    Parameters
    ----------
    counts : float array, shape (C,)
        Documents of each category that it would be made of.
    noise_variance : float
        Of each of its values, in units of a vector's longest length.

    Returns
    -------
    float or None
        In standard deviations of its noise; None where there is nothing public to judge by.
    """
    judged = np.flatnonzero(public_evidence(codebook))
    if judged.size < 2:
        return None
    directions = _centred(posterior(codebook, ()).means[judged]) * 2.0**-_DIRECTION_BITS
    squares = (directions**2).sum(axis=1)
    offsets = inverse_count_weight(codebook) * (directions @ (codebook.pool_mean * 2.0**-MEAN_BITS))
    weights = np.maximum(counts[judged], 0.0) ** 2
    spread = float(noise_variance * (weights @ (squares + offsets**2)))
    return float(weights @ squares) / spread**0.5 if spread else 0.0


def gain(
    codebook: Codebook, release: Released[LocalModel], kept_back: NDArray[np.int32], labels: NDArray[np.int64]
) -> Signal | None:
    """Judge a release by reference documents that nobody could know when it was made.

    With P_c the public posterior mean and H_c the step by which the documents kept back, taken as further references,
    would move it, both of category c,

        z = sum_c n_c <S_c - n_c P_c, H_c> / (sigma sqrt(sum_c n_c² (|H_c|² + <P_c, H_c>² / kappa²)))

    is what a release adds to public knowledge in the direction in which the truth lies. Sums made up from names and
    open references add nothing: their z is noise. Honest work with means T_c is expected to reach
    sum_c n_c² <T_c - P_c, H_c>; the products of different documents' distances from P_c estimate that without bias.

    Parameters
    ----------
    kept_back : int32 array, shape (k, r)
        As `Codebook.vectorize` makes them.
    labels : int array, shape (k,)
        Their categories; those with fewer than two documents do not count.

    Returns
    -------
    Signal or None
        None where no category has two documents.
    """
    judged = np.flatnonzero(np.bincount(labels, minlength=len(codebook.categories)) >= 2)
    if not judged.size:
        return None
    believed = posterior(codebook, ()).means[judged].astype(np.int64) >> (POSTERIOR_BITS - _DIRECTION_BITS)
    directions, squares = np.empty_like(believed), []
    for row, category in enumerate(judged):
        distances = kept_back[labels == category].astype(np.int64) << (_DIRECTION_BITS - codebook.grid_bits)
        distances = distances - believed[row]
        total, number = distances.sum(axis=0), len(distances)
        shares = _shares(codebook, int(category), number)
        directions[row] = shares * total // number >> _SHARE_BITS
        between = int((shares * (total**2 - (distances**2).sum(axis=0)) >> _SHARE_BITS).sum())
        squares.append(between // (number * (number - 1)))
    public = believed << (MEAN_BITS - _DIRECTION_BITS)
    return _filtered(codebook, release, judged, public, directions, squares)


def _shares(codebook: Codebook, category: int, number: int) -> NDArray[np.int64]:
    """What so many further references would move the posterior of a category by, of the way to their mean; shape (r,).

    Little where categories hardly differ and documents do: there, their distance is chance.
    """
    added = number * PRIOR_UNIT
    before = prior_documents(codebook) + int(public_documents(codebook)[category]) * PRIOR_UNIT
    return np.asarray((added << _SHARE_BITS) // (before + added))


def _filtered(
    codebook: Codebook,
    release: Released[LocalModel],
    judged: NDArray[np.intp],
    baseline: NDArray[np.int64],
    directions: NDArray[np.int64],
    squares: list[int],
) -> Signal:
    """The filter along `directions`, the sums seen from `baseline`, rows of the categories `judged` alone.

    `baseline` counts in units of 2**-`MEAN_BITS`, `directions` in 2**-`_DIRECTION_BITS`, `squares`, what a document is
    expected to show of its category's direction, in the square of the latter.
    """
    values, inverse = release.value.values[judged], inverse_count_weight(codebook)
    counts = [int(count) for count in released_counts(codebook, release)[judged]]
    weights = [count >> max(0, codebook.grid_bits - _WEIGHT_BITS) for count in counts]
    # From here on in Python's integers, which do not overflow: a few for each category. Numerators are in units of
    # 2**-(grid + direction + mean + weight bits), the variance in its square.
    alike = _products(values[:, :-1], directions)
    lengths = _products(directions, directions)
    offset = _products(np.broadcast_to(baseline, directions.shape), directions)
    raw_counts = [int(count) * inverse for count in values[:, -1]]
    measured = expected = spread = 0
    for weight, count, raw, a, length, o, square in zip(
        weights, counts, raw_counts, alike, lengths, offset, squares, strict=True
    ):
        measured += weight * ((a << MEAN_BITS) - raw * o)
        expected += weight * count * square << (MEAN_BITS - _DIRECTION_BITS)
        spread += weight**2 * ((length << 2 * MEAN_BITS) + inverse**2 * o**2)
    variance = release.receipt.variance * spread
    return Signal(z_micro=ratio_micro(measured, variance), expected_micro=max(0, ratio_micro(expected, variance)))


def _centred(means: NDArray[np.int32]) -> NDArray[np.int64]:
    """Q: means less their average, in units of 2**-`_DIRECTION_BITS`; shape as `means`."""
    directions = means.astype(np.int64) >> (POSTERIOR_BITS - _DIRECTION_BITS)
    return np.asarray(directions - directions.sum(axis=0) // len(directions))


def _products(left: NDArray[np.int64], right: NDArray[np.int64]) -> list[int]:
    """Dot product of each row of `left` with that of `right`."""
    return [int(product) for product in (left.astype(np.int64) * right).sum(axis=1)]


def ratio_micro(numerator: int, variance: int) -> int:
    """numerator / sqrt(variance) in millionths, rounded towards zero, at most `MOST_MICRO`; 0 if the variance is."""
    if variance == 0:
        return 0
    magnitude = min(MOST_MICRO, isqrt(numerator**2 * MICRO**2 // variance))
    return magnitude if numerator >= 0 else -magnitude
