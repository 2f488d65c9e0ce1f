"""What the default learner releases: for each category the sum of its documents' vectors and their weighted number."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from comitia.text.codebook import Codebook
from comitia.text.vectors import VectorKind


def inverse_count_weight(codebook: Codebook) -> int:
    """1 / kappa: a document counts as kappa = 1 for vectors of kind `lsa`, as kappa = 1/2 for `tf`."""
    return 1 if codebook.kind is VectorKind.LSA else 2


def class_sums(codebook: Codebook, vectors: NDArray[Any], labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """[sum of z ; kappa n_c] of every category, in grid steps.

    Parameters
    ----------
    vectors : integer array, shape (n, r)
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
    2. *Within a category*: the counts stay and the row moves by z' - z, whose square is at most the codebook's
       `difference_bound_squared`, rounding to the grid counted in and proved there: 4 g² for `lsa`; for `tf`, whose
       term weights are never negative, (sqrt(2) g + 2 sqrt(r))².
    3. *To or from a label that the codebook does not have*: one row loses or gains z and kappa g, (1 + kappa²) g².

    The largest is used. `lsa`: the first two are 4 g², L2 sensitivity 2. `tf`: the first, 2.5 g², on all but coarse
    grids, L2 sensitivity 1.581.
    """
    count = (1 << codebook.grid_bits) // inverse_count_weight(codebook)
    return max(2 * (codebook.norm_bound_squared + count**2), codebook.difference_bound_squared)
