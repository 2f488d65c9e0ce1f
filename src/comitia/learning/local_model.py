"""What one provider has learnt and releases."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MAX_ROWS = 1 << 24
"""Most documents one provider may train on: keeps every sum of vectors and of their products in 64 bits."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LocalModel:
    """What one provider has learnt, already noised: m̂_i.

    Cf. III.D.1

    Attributes
    ----------
    learner : str
        Name in the registry.
    codebook : bytes
        Digest of the codebook behind vectors and labels, 32 bytes.
    rows : int
        Declared number of documents, 1 .. `MAX_ROWS`, derived from the noisy values alone.
    values : int64 array, two-dimensional
        Read-only, in grid steps; the learner says what they mean.
    """

    learner: str
    codebook: bytes
    rows: int
    values: NDArray[np.int64]
