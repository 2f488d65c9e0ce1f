"""The directions in which the public pool's documents lie, and its form in integers with a proven norm.

The basis a codebook carries is a matrix V of 16-bit integers in units of ``2**-15``. Its spectral norm
is at most 1, and that is not taken on trust: `is_contraction` computes the Gram matrix without any
rounding and bounds it, when a codebook is built and again whenever one is read.
"""

from __future__ import annotations

from weakref import WeakValueDictionary

import numpy as np
from numpy.typing import NDArray

from comitia.text.terms import TermMatrix

BASIS_BITS = 15
"""The basis counts in units of ``2**-BASIS_BITS``."""

_UNIT = 1 << BASIS_BITS
_OVERSAMPLING = 16
_TERMS_AT_ONCE = 1024
_SMALLEST_SINGULAR_VALUE = 1e-6

_PROVEN: WeakValueDictionary[int, NDArray[np.int16]] = WeakValueDictionary()
"""Arrays that are read-only and proven contractions, by `id`, for as long as they live."""


def principal_directions(
    matrix: TermMatrix, rank: int, generator: np.random.Generator, *, iterations: int = 4
) -> NDArray[np.float32]:
    """Right singular vectors of the largest singular values, by randomised subspace iteration.

    Parameters
    ----------
    matrix : TermMatrix
        float32 values, (documents, terms); not centred.
    rank : int
        How many directions are wanted; fewer come back where the matrix has a lower rank.
    generator : numpy Generator
        Draws the starting subspace.
    iterations : int
        Passes over the matrix and its transpose.

    Returns
    -------
    float32 array (terms, r), orthonormal up to rounding, each direction's largest entry positive.
    """
    width = min(rank + _OVERSAMPLING, matrix.rows, matrix.width)
    transposed = matrix.transposed()
    subspace = generator.standard_normal((matrix.width, width)).astype(np.float32)
    for _ in range(iterations):
        images = _orthonormal(matrix.times(subspace))
        subspace = _orthonormal(transposed.times(images))
    return _signed(subspace @ principal_axes(matrix.times(subspace), rank))


def principal_axes(vectors: NDArray[np.float32], rank: int) -> NDArray[np.float32]:
    """Right singular vectors of the largest singular values of a dense matrix (documents, f).

    Returns
    -------
    float32 array (f, r), as `principal_directions`.
    """
    wide = vectors.astype(np.float64)
    eigenvalues, rotation = np.linalg.eigh(wide.T @ wide)
    kept = np.argsort(-eigenvalues, kind="stable")[:rank]
    kept = kept[eigenvalues[kept] > _SMALLEST_SINGULAR_VALUE**2 * max(eigenvalues.max(), 1e-300)]
    return _signed(rotation[:, kept].astype(np.float32))


def _signed(directions: NDArray[np.float32]) -> NDArray[np.float32]:
    """Each direction turned so that its largest entry is positive."""
    signs = np.sign(directions[np.abs(directions).argmax(axis=0), np.arange(directions.shape[1])])
    return directions * np.where(signs == 0, 1, signs).astype(np.float32)


def quantise(directions: NDArray[np.float32]) -> NDArray[np.int16]:
    """Round a basis to 16-bit integers so that `is_contraction` holds; shape (terms, r)."""
    units = directions.astype(np.float64) * (_UNIT - 1)
    integers = np.rint(units).astype(np.int16)
    bound = int(np.abs(_gram(integers)).sum(axis=1).max(initial=0))
    if bound > _UNIT**2:
        # Truncation can only shrink the entries, but the rounding errors add anew: leave them a margin.
        integers = np.trunc(units * (_UNIT / np.sqrt(bound)) * 0.9999).astype(np.int16)
    while not is_contraction(integers):
        units *= 0.999
        integers = np.rint(units).astype(np.int16)
    return integers


def is_contraction(basis: NDArray[np.int16]) -> bool:
    """Whether the spectral norm of `basis` is proven to be at most ``2**BASIS_BITS``.

    Proof. |V|_2^2 is the largest eigenvalue of the Gram matrix G = V'V, which is at most its largest
    absolute row sum (Gershgorin). G is computed exactly: by the first test each column's square sum is
    at most 2^30, so by Cauchy-Schwarz no partial sum of a dot product exceeds 2^30, far below the 2^53
    up to which doubles are exact whatever the order of addition.
    """
    columns = np.square(basis.astype(np.int64)).sum(axis=0)
    if int(columns.max(initial=0)) > _UNIT**2:
        return False
    return int(np.abs(_gram(basis)).sum(axis=1).max(initial=0)) <= _UNIT**2


def is_proven(basis: NDArray[np.int16]) -> bool:
    """As `is_contraction`, told only once of an array that cannot be written to."""
    if _PROVEN.get(id(basis)) is basis:
        return True
    proven = is_contraction(basis)
    if proven and not basis.flags.writeable and basis.base is None:
        _PROVEN[id(basis)] = basis
    return proven


def _gram(basis: NDArray[np.int16]) -> NDArray[np.int64]:
    """V'V, exact for columns of square sums below 2^53."""
    gram = np.zeros((basis.shape[1], basis.shape[1]))
    for first in range(0, len(basis), _TERMS_AT_ONCE):
        rows = basis[first : first + _TERMS_AT_ONCE].astype(np.float64)
        gram += rows.T @ rows
    return gram.astype(np.int64)


def _orthonormal(columns: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.linalg.qr(columns)[0]
