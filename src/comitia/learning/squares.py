"""Squared lengths of released rows, the same on every processor: what energy and gradients' signal rest on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_ELEMENT_BITS = 26
"""A sum of a thousand squares of so many bits fits 64."""


def squared_lengths(rows: NDArray[np.int64]) -> list[int]:
    """Squared length of each row of an array (n, w), in squared units of its elements.

    Where an element is beyond 2**26, all rows are taken a little coarser, to fit 64 bits.
    """
    shift = max(0, int(np.abs(rows).max()).bit_length() - _ELEMENT_BITS)
    return [int(square) << 2 * shift for square in ((rows >> shift) ** 2).sum(axis=1)]
