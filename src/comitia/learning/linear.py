"""How a document is scored: products with a row of weights for each category, in integers, the same on every processor.

`prototype_scores` is the one definition of what posterior means say of a document. The model, its heads, the judging
of references, the first model of `softmax` and the exported graph all rest on it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from comitia.core import codec
from comitia.learning.posterior import POSTERIOR_BITS, Posterior, documents_known
from comitia.text.codebook import MEAN_BITS, Codebook

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]

WEIGHT_BITS = 16
"""Weights count in units of 2**-16."""
WEIGHT_LIMIT = (1 << 31) - 1
DOUBT = 1.0
"""A direction that rests on so many documents counts for the root of one half; one that rests on many, for 1."""
_COARSE_BITS = 20
_DIRECTION_BITS = 14
_SPREAD_BITS = 16
"""Products with the pool's documents count in units of 2**-16: squares of 2^26 of them fit 64 bits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinearRecord:
    """Arrays row by row, little-endian: weights 32 bits an entry, intercepts 64."""

    weights: bytes
    intercepts: bytes


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Linear:
    """A weighted sum of the coordinates for each category.

    Attributes
    ----------
    weights : int32 array, shape (C, r)
        In units of 2**-`WEIGHT_BITS`.
    intercepts : int64 array, shape (C,)
        In units of 2**-(`WEIGHT_BITS` + the codebook's grid bits); magnitudes below 2^50.
    """

    weights: NDArray[np.int32]
    intercepts: IntArray
    kind = "linear"

    def to_bytes(self) -> bytes:
        """See `Head.to_bytes`."""
        return codec.encode(
            LinearRecord(
                weights=self.weights.astype("<i4").tobytes(), intercepts=self.intercepts.astype("<i8").tobytes()
            )
        )

    def products(self, vectors: NDArray[np.int32] | FloatArray) -> IntArray:
        """Exact scores of whole-numbered vectors, shape (n, C), in the unit of the intercepts."""
        # A vector is at most 2^14 long and a row of weights below 2^37 for 2^12 coordinates: below 2^53 as doubles.
        return np.asarray(
            (vectors.astype(np.float64, copy=False) @ self.weights.T.astype(np.float64)).astype(np.int64)
            + self.intercepts
        )

    def logits(self, codebook: Codebook, scores: Linear, vectors: NDArray[np.int32]) -> FloatArray:
        """See `Head.logits`."""
        return self.products(vectors) / float(1 << (WEIGHT_BITS + codebook.grid_bits))


def prototype_scores(codebook: Codebook, believed: Posterior, *, references: bool = True) -> Linear:
    """Standardised products with the directions in which the posterior means lie, seen from the middle.

    The middle is that between the pool's mean and the categories', which differ where some categories are frequent. A
    category of which nothing is known has no direction, and what all documents have in common speaks for none.
    Directions of which little is known count less; one deviation, over the pool's documents and all categories, is 1.

    Parameters
    ----------
    believed : Posterior
    references : bool
        As `posterior` was told.
    """
    known = documents_known(codebook, believed, references=references)
    trust_squared = known / (known + DOUBT)
    means = believed.means.astype(np.int64) >> (POSTERIOR_BITS - MEAN_BITS)
    middle = (codebook.pool_mean + means.sum(axis=0) // len(means)) // 2
    coarse = (means - middle) >> (MEAN_BITS - _COARSE_BITS)
    lengths = np.sqrt((coarse**2).sum(axis=1).astype(np.float64))
    scale = np.sqrt(trust_squared) * 2.0**_DIRECTION_BITS / np.where(lengths > 0, lengths, 1.0)
    directions = np.rint(coarse * scale[:, None]).astype(np.int64)
    spread = _spread(codebook, directions, middle, trust_squared * (lengths > 0))
    unit = 2.0 ** (WEIGHT_BITS - _DIRECTION_BITS) / spread
    weights = np.clip(np.rint(directions * unit), -WEIGHT_LIMIT, WEIGHT_LIMIT).astype(np.int64)
    intercepts = -(weights @ middle) >> (MEAN_BITS - codebook.grid_bits)
    return Linear(weights=weights.astype(np.int32), intercepts=intercepts)


def _spread(codebook: Codebook, directions: IntArray, middle: IntArray, trust_squared: FloatArray) -> float:
    """Root mean square of the pool's products with directions of full trust; 1 where there is none."""
    far = codebook.grid_bits + _DIRECTION_BITS - _SPREAD_BITS
    centre = (directions @ middle) >> (MEAN_BITS - codebook.grid_bits)
    products = (codebook.pool_sample.astype(np.float64) @ directions.T.astype(np.float64)).astype(np.int64) - centre
    square = float(int(((products >> far) ** 2).sum())) / 4.0**_SPREAD_BITS
    trusted = float(int(np.rint(trust_squared * 1e6).sum())) / 1e6
    return float(np.sqrt(square / (len(products) * trusted))) if square and trusted else 1.0
