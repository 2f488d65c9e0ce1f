"""Boosts stumps, trees of one question, in whole numbers: the same stumps, bit for bit, on every processor.

What may be asked is laid out beforehand. Then a point matters only by which questions it answers with yes, and all
that boosting needs are sums over the points of each question: they are added up once and kept up to date.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from comitia.learning.growing import Draw, explained
from comitia.learning.trees import Trees

IntArray = NDArray[np.int64]

_QUESTIONS = 512
"""About so many questions in all, evenly spaced on each coordinate, but at least two on each."""


def boost(points: IntArray, targets: IntArray, *, stumps: int, tried: int, rate_percent: int) -> Trees:
    """Stumps whose values add up to `targets`, or close, at `points`; each learns what those before it have left over.

    Parameters
    ----------
    points : int64 array, shape (n, F), n >= 1
    targets : int64 array, shape (n, C)
        As `grow_forest` takes them.
    tried : int
        Questions drawn for each stump, of which the best is kept.
    rate_percent : int
        What share of its leaves' means a stump adds.
    """
    asked, thresholds = _questions(points)
    # Whole numbers below 2^53 in doubles: exact in whatever order they are added.
    said = (points[:, asked] > thresholds).astype(np.float64)
    sums, total = said.T @ targets.astype(np.float64), targets.sum(axis=0)
    together = said.T @ said
    rows, counts = len(points), np.diag(together).astype(np.int64)
    common = np.stack([together, np.broadcast_to(counts, together.shape)], axis=2)
    kept = np.empty(stumps, dtype=np.int64)
    leaves = np.empty((stumps, 2, targets.shape[1]), dtype=np.int64)
    drawn_for = Draw("stumps").below(len(asked), stumps * tried).reshape(stumps, tried)
    for number, drawn in enumerate(drawn_for):
        yes_sums, yes_counts = sums[drawn].astype(np.int64), counts[drawn]
        best = int((explained(yes_sums, yes_counts) + explained(total - yes_sums, rows - yes_counts)).argmax())
        above, above_sums = int(yes_counts[best]), yes_sums[best]
        # One point more than there are, at zero: a leaf of few points says little.
        no = (total - above_sums) * rate_percent // (100 * (rows - above + 1))
        yes = above_sums * rate_percent // (100 * (above + 1))
        kept[number], leaves[number] = drawn[best], (no, yes)
        sums -= common[drawn[best]] @ np.array([yes - no, no], dtype=np.float64)
        total = total - (rows - above) * no - above * yes
    return Trees(features=asked[kept][:, None], thresholds=thresholds[kept][:, None], leaves=leaves)


def _questions(points: IntArray) -> tuple[IntArray, IntArray]:
    """Which coordinate each question asks about, and what it must exceed; evenly spaced over the points' range."""
    width = points.shape[1]
    each = max(2, _QUESTIONS // width)
    least, range_ = points.min(axis=0)[:, None], np.ptp(points, axis=0)[:, None]
    return np.repeat(np.arange(width), each), (least + range_ * np.arange(1, each + 1) // (each + 1)).ravel()
