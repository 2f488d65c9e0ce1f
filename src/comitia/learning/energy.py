"""How long a release's sums are: against public knowledge, and against its own counts. Public, exact, free of budget.

A matched filter sees one direction. A release that has more in all the others (copies of one document under one label,
sums multiplied by three), or not even its noise, shows in the squares.

**Distance.** With P_c the public posterior mean of category c and r coordinates,

    E_c = |S_c - n_c P_c|² - sigma² (r + |P_c|² / kappa²)

is n_c² |T_c - P_c|² for honest work with mean T_c, on average over the noise, and some sampling: what the release knows
that the public does not. Its variance is about 2 r sigma⁴ + 4 sigma² E_c; under Laplace noise 5 stands for the first 2.
Two figures follow. `left`: the sum of E_c over all categories in standard deviations of noise alone; a release with
less noise than its receipt says falls far below 0. `farthest`: the largest (E_c - 3 standard deviations) / n_c²: that
far, at least, some category's documents lie from the public mean on average. Copies of one document lie as far as it
does, documents that differ average out.

**Excess.** No document's vector is longer than 1, so |sum of z| <= n_c. With noise,

    |S_c|² - r sigma² - (n_c² - sigma² / kappa²)

is at most 0 on average; its variance is at most 2 sigma⁴ (r + 1 / kappa⁴) + 4 sigma² (1 + 1 / kappa²) n_c², again with
5 for 2 under Laplace noise. The largest of the categories' excesses and of that of all together counts, in standard
deviations.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isqrt

import numpy as np

from comitia.core.units import MICRO
from comitia.learning.class_sums import inverse_count_weight
from comitia.learning.local_model import LocalModel
from comitia.learning.posterior import POSTERIOR_BITS, posterior, public_evidence, released_counts
from comitia.learning.signal import MOST_MICRO, ratio_micro
from comitia.learning.squares import squared_lengths
from comitia.privacy.released import Released
from comitia.text.codebook import Codebook

_PUBLIC_BITS = 16
"""P counts in units of 2**-16 here."""
_SURE = 3
"""Standard deviations by which a distance is taken to be shorter than measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Energy:
    """How long the sums of one release are.

    Attributes
    ----------
    left_micro : int
        What public knowledge leaves of the sums, in millionths of a standard deviation of the noise.
    farthest_micro : int
        Squared distance of some category's documents from its public mean, at least, in millionths; 0 where none is
        sure. Categories of which nothing is public do not count, unless there are no others.
    excess_micro : int
        By how much the sums are longer than their counts allow, in millionths of a standard deviation; below 0 or near
        it for everything that can be.
    """

    left_micro: int
    farthest_micro: int
    excess_micro: int


def energy(codebook: Codebook, release: Released[LocalModel]) -> Energy:
    """Measure a release; see this module."""
    left, farthest = _distance(codebook, release)
    return Energy(left_micro=left, farthest_micro=farthest, excess_micro=_excess(codebook, release))


def _distance(codebook: Codebook, release: Released[LocalModel]) -> tuple[int, int]:
    """`left` and `farthest`; squares in grid steps."""
    known = public_evidence(codebook)
    judged = np.flatnonzero(known if known.any() else ~known)
    values, inverse = release.value.values[judged], inverse_count_weight(codebook)
    public = posterior(codebook, ()).means[judged].astype(np.int64) >> (POSTERIOR_BITS - _PUBLIC_BITS)
    squares = squared_lengths(values[:, :-1] - (inverse * values[:, -1:] * public >> _PUBLIC_BITS))
    noise, rank, farthest = release.receipt.variance, codebook.rank, 0
    squared = release.receipt.variance_of_square * rank * noise**2
    energies = [
        square - noise * (rank + (inverse**2 * length >> 2 * _PUBLIC_BITS))
        for square, length in zip(squares, squared_lengths(public), strict=True)
    ]
    for own, count in zip(energies, released_counts(codebook, release)[judged].tolist(), strict=True):
        if count and own > 0:
            sure = own - _SURE * isqrt(squared + 4 * noise * own)
            farthest = max(farthest, sure * MICRO // count**2)
    return ratio_micro(sum(energies), squared * len(judged)), min(farthest, MOST_MICRO)


def _excess(codebook: Codebook, release: Released[LocalModel]) -> int:
    """The largest excess over its standard deviation; squares in grid steps."""
    values, inverse = release.value.values, inverse_count_weight(codebook)
    noise, rank = release.receipt.variance, codebook.rank
    squared = release.receipt.variance_of_square * noise**2
    excesses, variances = [], []
    for square, count in zip(squared_lengths(values[:, :-1]), values[:, -1].tolist(), strict=True):
        bound = inverse**2 * (count**2 - noise)
        excesses.append(square - rank * noise - bound)
        variances.append(squared * (rank + inverse**4) + 4 * noise * (1 + inverse**2) * max(0, bound))
    pairs = zip([*excesses, sum(excesses)], [*variances, sum(variances)], strict=True)
    return max(ratio_micro(excess, variance) for excess, variance in pairs)
