"""Many participants' documents over leaves, and the profiles that follow, computed for all at once.

What `RetrievalRecord` computes for one participant this computes for arrays of them; a test holds that they agree.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from comitia.core.units import MICRO
from comitia.retrieval.profile import (
    BANDS_PPM,
    LEAST_TOTAL,
    MOST_PUBLISHED,
    PUBLISHED_PPM,
    least_clear,
    least_standing,
)

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Profiles:
    """What participants publish, one entry for each of their leaves.

    participants : how many.
    owner, leaf, band, share_ppm : int64 arrays (m,)
    """

    participants: int
    owner: Ints
    leaf: Ints
    band: Ints
    share_ppm: Ints

    def counts(self, leaves: int) -> tuple[tuple[int, int, int, int], ...]:
        """Entries of each leaf, by band."""
        tally = np.bincount(self.leaf * 4 + self.band, minlength=leaves * 4).reshape(leaves, 4)
        return tuple((int(a), int(b), int(c), int(d)) for a, b, c, d in tally)


def publish(histograms: Ints, epsilon_micro: int) -> tuple[Ints, Ints, Ints, Ints]:
    """Owner, leaf, band and share of every leaf that noisy histograms (n, L) publish; cf. `RetrievalRecord`."""
    leaves = histograms.shape[1]
    standing, clear = least_standing(leaves, epsilon_micro), least_clear(leaves, epsilon_micro)
    totals = np.maximum(LEAST_TOTAL, np.where(histograms >= standing, histograms, 0).sum(axis=1))
    shares = np.maximum(histograms, 0) * MICRO // totals[:, None]
    order = np.argsort(-histograms, axis=1, kind="stable")[:, :MOST_PUBLISHED]
    row = np.arange(len(histograms))[:, None]
    published = (shares[row, order] >= PUBLISHED_PPM) & (histograms[row, order] >= clear)
    published[~published.any(axis=1), 0] = True
    owner, rank = np.nonzero(published)
    leaf = order[owner, rank]
    share = shares[owner, leaf]
    band = sum((share < least).astype(np.int64) for least in BANDS_PPM)
    return owner.astype(np.int64), leaf.astype(np.int64), np.asarray(band, dtype=np.int64), share
