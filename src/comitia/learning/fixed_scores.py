"""Scores of documents against the posterior means, in integers: the same on every processor.

What heads rest on: products with the unit means, standardised over public points, seen from each document's own
average. (`GlobalModel` itself scores in floats, from the pool's mean, which no digest depends on.)
"""

from __future__ import annotations

from math import isqrt

import numpy as np
from numpy.typing import NDArray

from comitia.learning.posterior import POSTERIOR_BITS
from comitia.text.codebook import Codebook

IntArray = NDArray[np.int64]

SCORE_BITS = 12
"""Scores count in units of 2**-12 of a standard deviation."""
FARTHEST = 1 << 17
"""Scores are held within plus and minus 32 standard deviations."""
_MEAN_BITS = 20
_DIRECTION_BITS = 14
PUBLIC_POINTS = 1024
"""So many public points stand for the documents of the field: those there are, and mixtures of two."""


class Standard:
    """How the categories' means score a document.

    Parameters
    ----------
    codebook : Codebook
    means : int32 array, shape (C, r)
        As in `Posterior`.
    """

    def __init__(self, codebook: Codebook, means: NDArray[np.int32]) -> None:
        self.directions = _directions(means)
        products = self._products(public_points(codebook))
        self.centre = int(products.sum()) // products.size
        self.deviation = max(1, isqrt(int(((products - self.centre) ** 2).sum()) // products.size))

    def scores(self, vectors: NDArray[np.int32]) -> IntArray:
        """Scores of documents, shape (n, C), in units of 2**-`SCORE_BITS`."""
        standardised = ((self._products(vectors) - self.centre) << SCORE_BITS) // self.deviation
        own = standardised.sum(axis=1, keepdims=True) // standardised.shape[1]
        return np.asarray(np.clip(standardised - own, -FARTHEST, FARTHEST))

    def _products(self, vectors: NDArray[np.int32]) -> IntArray:
        # Whole numbers below 2^30 in doubles: exact in whatever order they are added.
        return np.asarray((vectors.astype(np.float64) @ self.directions.T.astype(np.float64)).astype(np.int64))


def public_points(codebook: Codebook) -> NDArray[np.int32]:
    """Vectors that stand for the documents of the field, shape (n, r), n >= 1: pool, references, names, mixtures."""
    public = np.vstack([codebook.pool_sample, codebook.references, codebook.name_vectors])
    rows = np.arange(max(0, PUBLIC_POINTS - len(public)))
    # Strides that share no factor with most sizes pair each point with many others.
    mixed = (7 * (public[rows % len(public)] + public[(rows * 257 + rows // len(public) + 1) % len(public)])) // 10
    return np.vstack([public, mixed]).astype(np.int32)


def _directions(means: NDArray[np.int32]) -> IntArray:
    """Unit means in units of 2**-`_DIRECTION_BITS`, shape (C, r); zero for a mean of zero."""
    coarse = means.astype(np.int64) >> (POSTERIOR_BITS - _MEAN_BITS)
    lengths = np.array([max(1, isqrt(int(square))) for square in (coarse**2).sum(axis=1)], dtype=np.float64)
    return np.rint(coarse * 2.0**_DIRECTION_BITS / lengths[:, None]).astype(np.int64)
