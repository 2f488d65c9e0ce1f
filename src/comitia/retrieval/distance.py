"""How far apart two data sets, or two ids, are. III.B."""

from __future__ import annotations

from math import log

import numpy as np
from numpy.typing import ArrayLike


def ruzicka_distance(left: ArrayLike, right: ArrayLike) -> float:
    """Weighted Jaccard distance 1 - sum min / sum max of two vectors of weights >= 0; 0 for two empty ones.

    The metric form of Eq. (1)'s ratio: with both vectors normalised it looks at what they share, not only
    at which terms they share.
    """
    a, b = _unit(left), _unit(right)
    largest = np.maximum(a, b).sum()
    return float(1 - np.minimum(a, b).sum() / largest) if largest > 0 else 0.0


def logical_distance(left: ArrayLike, right: ArrayLike, physical_distance_m: float) -> float:
    """d_l of two weight matrices, as printed: the share of weight on what only one has, times log d_p.

    Source: Eq. (1)

    For nodes at most a metre apart the logarithm is zero or negative, and the distance with it: near nodes
    would count as more than identical. Kept for comparison; `ruzicka_distance` is what is used.
    """
    a, b = np.asarray(left, dtype=np.float64), np.asarray(right, dtype=np.float64)
    both = a + b
    total = both.sum()
    if total == 0:
        return 0.0
    only_one = (a > 0) != (b > 0)
    return float(both[only_one].sum() / total * log(physical_distance_m))


def relevance_distance(left: bytes, right: bytes) -> int:
    """XOR of two routing ids of equal length, read as a number.

    Source: Eq. (2)
    """
    if len(left) != len(right):
        raise ValueError("two ids of one length have a distance")
    return int.from_bytes(left, "big") ^ int.from_bytes(right, "big")


def _unit(weights: ArrayLike) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """Weights that sum to 1; zeros stay zeros."""
    values = np.asarray(weights, dtype=np.float64).ravel()
    if (values < 0).any():
        raise ValueError("weights are not negative")
    total = values.sum()
    return values / total if total > 0 else values
