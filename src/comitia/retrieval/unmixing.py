"""From how many documents are nearest to each leaf to how many are of it, as far as that can be told.

A fair part of documents is nearest to another leaf than their own. How large a part, and to which, is known from public
documents. Everything here is post-processing of counts that have paid for their noise.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

ROUNDS: Final = 40
"""Of expectation and maximisation; more change little."""


def unmix(counts: NDArray[np.int64], confusion: NDArray[np.float64], least: int) -> NDArray[np.int64]:
    """The most likely numbers of documents by their own leaf, given noisy ones by the nearest leaf.

    Expectation and maximisation for the parts of a mixture (Richardson and Lucy): every counted document is shared out
    over the leaves it may be of, by what has been found of them so far, and the shares are the next finding.

    Parameters
    ----------
    counts : int64 array (n, L)
        Rows of noisy counts.
    confusion : float64 array (L, L)
        Share of each leaf's documents that are nearest to each leaf; rows sum to 1.
    least : int
        Counts below are noise, and left out. A row in which all are is returned as it is.

    Returns
    -------
    int64 array (n, L)
    """
    standing = np.where(counts >= least, counts, 0).astype(np.float64)
    found = np.repeat(standing.sum(axis=1, keepdims=True) / counts.shape[1], counts.shape[1], axis=1)
    for _ in range(ROUNDS):
        expected = found @ confusion
        found *= (standing / np.where(expected > 0, expected, 1.0)) @ confusion.T
    return np.where(standing.any(axis=1, keepdims=True), np.rint(found).astype(np.int64), counts)
