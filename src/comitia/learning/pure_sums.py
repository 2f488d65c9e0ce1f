"""Class sums with pure privacy: vectors shortened in the L1 norm, the norm that Laplace noise pays for.

A vector of length 1 has an L1 norm of up to sqrt(r), and of about .7 sqrt(r) where nothing of it is small. Vectors are
therefore held to what is usual in public documents; longer ones shrink in all coordinates alike.
"""

from __future__ import annotations

from math import isqrt

import numpy as np
from numpy.typing import NDArray

from comitia.learning.class_sums import inverse_count_weight
from comitia.text.codebook import Codebook

IntArray = NDArray[np.int64]


def l1_bound(codebook: Codebook) -> int:
    """B: the L1 norm that no shortened vector passes, in grid steps; a public fact.

    The mean of the pool's sample; without a pool that of references and names, and without these half of sqrt(r).
    """
    public = (
        codebook.pool_sample
        if codebook.pool_documents
        else np.concatenate([codebook.references, codebook.name_vectors])
    )
    lengths = np.abs(public.astype(np.int64)).sum(axis=1)
    lengths = lengths[lengths > 0]
    if not lengths.size:
        return isqrt(codebook.rank * codebook.norm_bound_squared) // 2
    return int(lengths.sum() // lengths.size)


def shortened(codebook: Codebook, vectors: NDArray[np.int32]) -> IntArray:
    """Vectors with an L1 norm of at most `l1_bound`: longer ones scaled down and cut off toward zero, exactly."""
    bound, wide = l1_bound(codebook), vectors.astype(np.int64)
    lengths = np.abs(wide).sum(axis=1, keepdims=True)
    scaled = np.sign(wide) * (np.abs(wide) * bound // np.maximum(lengths, 1))
    return np.asarray(np.where(lengths > bound, scaled, wide))


def l1_sensitivity(codebook: Codebook) -> int:
    """The most that replacing one document (z, c) by (z', c') moves the class sums in the L1 norm, in grid steps.

    Cf. Eq. (5)

    Proof. `shortened` holds |z|_1, |z'|_1 <= B: of numbers |z_j| that add up to l > B it leaves floor(|z_j| B / l),
    which add up to B at most, in integers. kappa g is a whole number of steps (`class_sums.sensitivity_squared`).

    1. *To another category*: row c loses z and kappa g, row c' gains z' and kappa g: at most 2 (B + kappa g).
    2. *Within a category*: the count stays and the row moves by z' - z: at most 2 B.
    3. *To or from a label that the codebook does not have*: B + kappa g.
    """
    return 2 * (l1_bound(codebook) + (1 << codebook.grid_bits) // inverse_count_weight(codebook))
