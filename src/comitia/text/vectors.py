"""Documents' vectors in integers: how the features of a document become a vector whose length is proven.

Every sensitivity in `comitia.learning` rests on the two bounds proved here. Floating point only proposes; integers
decide. "Grid units" are units of ``2**-g``: a vector of length 1 is ``2**g`` units long.
"""

from __future__ import annotations

from enum import StrEnum
from math import isqrt

import numpy as np
from numpy.typing import NDArray

from comitia.text.basis import BASIS_BITS
from comitia.text.terms import TermMatrix

DOCUMENT_BITS = 15
"""A document's features count in units of ``2**-DOCUMENT_BITS``."""

WEIGHT_BITS = 16
"""The weight of a term counts in units of ``2**-WEIGHT_BITS``."""

MAX_GRID_BITS = 14
"""Largest g: a vector's entries then still fit 16 bits."""


class VectorKind(StrEnum):
    """How a document's weights in the basis become its vector.

    ``lsa`` scales them to length 1, for longer documents; ``tf`` leaves them as they are, for short
    ones that the basis holds nearly whole.
    """

    LSA = "lsa"
    TF = "tf"


class Source(StrEnum):
    """What documents' vectors are made from.

    ``pool``: words weighted as they occur in public documents of the field. ``none``: hashed parts of words
    (`comitia.text.grams`). ``encoder``: a public sentence encoder.
    """

    POOL = "pool"
    NONE = "none"
    ENCODER = "encoder"


def norm_bound_squared(grid_bits: int) -> int:
    """Most that the squared length of a document's vector can be, in grid units: ``4**g``.

    Proof. For ``lsa`` `_unit_rows` checks it in integers and shrinks what exceeds it. For ``tf`` let
    q be the document's weights in units of ``2**-15``, whose square sum `in_integers` holds to at
    most ``4**15``, and V the basis, whose spectral norm is checked at reading to be at most
    ``2**15``. Then ``|qV| <= 2**30``, and dividing by ``2**(30 - g)`` and cutting each coordinate off
    toward zero only shortens the vector.
    """
    return int(4**grid_bits)


def difference_bound_squared(kind: VectorKind, *, rank: int, grid_bits: int) -> int:
    """Most that the squared distance of any two documents' vectors can be, in grid units.

    Proof. Two vectors of length at most ``2**g`` are at most ``2 * 2**g`` apart: ``4 * 4**g`` for
    ``lsa``. For ``tf``, which only words of a pool may have (check 9 of a codebook), weights are never
    negative, so q.q' >= 0 and ``|q - q'|**2 <= 2 * 4**15``, and ``|(q - q')V| <= sqrt(2) * 2**30`` by
    the norm of V. Dividing by ``2**(30 - g)`` leaves ``d = sqrt(2) * 2**g``; cutting off moves each of
    r coordinates of either vector by less than 1,
    the difference by less than ``2 * sqrt(r)``. So ``(d + 2 sqrt(r))**2 = d**2 + 4 sqrt(r) d + 4r``,
    the root rounded up, and never more than what holds for any two vectors.
    """
    most = 4 * norm_bound_squared(grid_bits)
    if kind is VectorKind.LSA:
        return most
    straight = 2 * norm_bound_squared(grid_bits)
    return min(most, straight + 4 * (isqrt(rank * straight) + 1) + 4 * rank)


def unit_weights(counts: TermMatrix, weights: NDArray[np.float64]) -> TermMatrix:
    """Rows of (1 + ln tf) * weight scaled to length 1; a row of zeros stays one. float64 values."""
    return unit_rows(counts.with_values((1.0 + np.log(counts.values)) * weights[counts.columns]))


def unit_rows(matrix: TermMatrix) -> TermMatrix:
    """Rows scaled to length 1; a row of zeros stays one."""
    lengths = np.sqrt(matrix.row_sums(np.square(matrix.values)))
    lengths[lengths == 0] = 1.0
    return matrix.with_values(matrix.values / np.repeat(lengths, np.diff(matrix.starts)))


def in_integers(unit: TermMatrix) -> TermMatrix:
    """Rows cut off toward zero to units of ``2**-15``, int32; the square sum of none is above ``4**15``."""
    integers = np.trunc(unit.values * 2**DOCUMENT_BITS).astype(np.int32)
    return unit.with_values(_within(unit.with_values(integers), 4**DOCUMENT_BITS))


def project(weights: TermMatrix, basis: NDArray[np.int16], kind: VectorKind, grid_bits: int) -> NDArray[np.int32]:
    """Vectors of documents given by the weights of their features, as `in_integers` makes them.

    Parameters
    ----------
    weights : TermMatrix
        (n, f), square sums of rows at most ``4**15``.
    basis : int16 array (f, r)
        Units of ``2**-BASIS_BITS``, a contraction.

    Returns
    -------
    int32 array (n, r), in grid units.
    """
    # No partial sum passes 2**30 (Cauchy-Schwarz on the two square sums), so 32 bits never overflow.
    projected = weights.times(basis)
    if kind is VectorKind.TF:
        shift = DOCUMENT_BITS + BASIS_BITS - grid_bits
        return np.asarray(np.sign(projected) * (np.abs(projected) >> shift), dtype=np.int32)
    return _unit_rows(projected, grid_bits)


def project_units(units: NDArray[np.float32], basis: NDArray[np.int16], grid_bits: int) -> NDArray[np.int32]:
    """Vectors of kind ``lsa`` of texts given as an encoder has them, of length 1 or 0, shape (n, f)."""
    integers = _shortened(np.trunc(units * 2.0**DOCUMENT_BITS).astype(np.int32), DOCUMENT_BITS)
    # As in `project`, 32 bits never overflow.
    return _unit_rows(integers @ basis.astype(np.int32), grid_bits)


def _within(matrix: TermMatrix, most: int) -> NDArray[np.int32]:
    """The values of an integer matrix, rows with a square sum above `most` shrunk until they keep to it."""
    values = matrix.values
    while (excess := matrix.row_sums(np.square(values.astype(np.int64))) > most).any():
        shrunk = np.sign(values) * (np.abs(values.astype(np.int64)) * ((1 << 15) - 1) >> 15)
        values = np.where(np.repeat(excess, np.diff(matrix.starts)), shrunk, values)
    return np.asarray(values, dtype=np.int32)


def _unit_rows(projected: NDArray[np.int32], grid_bits: int) -> NDArray[np.int32]:
    """Rows scaled to length 1, cut off to the grid toward zero; never longer than ``2**grid_bits``."""
    rows = projected.astype(np.float64)
    lengths = np.sqrt(np.square(rows).sum(axis=1, keepdims=True))
    lengths[lengths == 0] = 1.0
    return _shortened(np.trunc(rows * (2.0**grid_bits / lengths)).astype(np.int32), grid_bits)


def _shortened(vectors: NDArray[np.int32], bits: int) -> NDArray[np.int32]:
    """Rows of which floating point could have left one a hair longer than ``2**bits``: integers decide."""
    while (excess := np.square(vectors.astype(np.int64)).sum(axis=1) > 4**bits).any():
        vectors[excess] -= np.sign(vectors[excess])
    return np.asarray(vectors, dtype=np.int32)
