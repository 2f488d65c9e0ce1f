"""What the default learner releases: for each category the sum of its documents' vectors and their weighted number."""

from __future__ import annotations

from math import isqrt

import numpy as np
from numpy.typing import NDArray

from comitia.text.codebook import Codebook

ROUNDING = 1
"""A coordinate of a vector on the grid is off by less than this many grid steps: it is cut towards zero."""


def inverse_count_weight(codebook: Codebook) -> int:
    """1 / kappa: a document counts as kappa = 1 for vectors of kind `lsa`, as kappa = 1/2 for `tf`."""
    return 1 if codebook.kind == "lsa" else 2


def class_sums(codebook: Codebook, vectors: NDArray[np.int32], labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """[sum of z ; kappa n_c] of every category, in grid steps.

    Parameters
    ----------
    vectors : int32 array, shape (n, r)
    labels : int array, shape (n,)
        0 <= label < C.

    Returns
    -------
    int64 array, shape (C, r + 1)
        A row for each category, of zeros where no document has it: which rows there are says nothing.
    """
    sums = np.zeros((len(codebook.categories), codebook.rank + 1), dtype=np.int64)
    for label in np.unique(labels):
        sums[label, :-1] = vectors[labels == label].sum(axis=0, dtype=np.int64)
    numbers = np.bincount(labels, minlength=len(codebook.categories))
    sums[:, -1] = (numbers << codebook.grid_bits) // inverse_count_weight(codebook)
    return sums


def sensitivity_squared(codebook: Codebook) -> int:
    """Square of the most that replacing one document (z, c) by (z', c') moves the class sums, in squared grid steps.

    Proof. Write g = 2**grid_bits, the length 1 on the grid; |z|, |z'| <= g, exactly (checked before training, in
    integers). kappa g is a whole number of steps, so counts are not rounded.

    1. *To another category*, c != c': row c loses z and kappa g, row c' gains z' and kappa g. The rows are disjoint
       coordinates, so the square is |z|² + |z'|² + 2 (kappa g)² <= 2 (1 + kappa²) g².
    2. *Within a category*: the counts stay, the row moves by z' - z.
       `lsa`: |z' - z| <= 2g, the square is 4 g², and 1. gives 2 (1 + 1) g² = 4 g² as well: L2 sensitivity 2.
       `tf`: before rounding z = xV with x, x' >= 0 of length at most 1 and |V| <= 1 (the codebook proves both), so
       |z' - z| <= g |x' - x| = g sqrt(|x|² + |x'|² - 2 x·x') <= sqrt(2) g. Rounding moves each of the r coordinates of
       either vector by less than `ROUNDING` steps, so each vector by less than sqrt(r) of them, and the bound is
       sqrt(2) g + 2 sqrt(r). Its square is below 1.'s 2.5 g² on all but coarse grids; the larger of the two is used.

    The square roots are rounded up. L2 sensitivity in units of g: 2 for `lsa`, sqrt(2.5) = 1.581 for `tf`.
    """
    one = 1 << codebook.grid_bits
    count = one // inverse_count_weight(codebook)
    across = 2 * (one**2 + count**2)
    if codebook.kind == "lsa":
        return max(across, (2 * one) ** 2)
    within = (isqrt(2 * one**2) + 1) + 2 * ROUNDING * (isqrt(codebook.rank) + 1)
    return max(across, within**2)
