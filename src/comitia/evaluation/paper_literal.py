"""The paper's mechanism as it stands, as a baseline: noise on the input vectors, a local GBDT each, their union.

Not private as written: labels carry no noise, and which vectors there are shows. So this is no `Learner`, makes no
`Released`, and no session can be asked for it. Its noise is numpy's, which gives secrets away as well.

Cf. III.D.1 step 2, IV.A
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from comitia.evaluation.federation import Share
from comitia.learning import logistic
from comitia.learning.growing import Growth, Tree, grow
from comitia.text.codebook import Codebook

NAME = "paper_literal"
GROWTH = Growth(trees=60, depth=3, tried=8, rate_percent=30)
_ONE = 1 << 12
"""Belonging to a category, as the trees learn it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Union:
    """All providers' trees; a document's score is the mean of theirs.

    Attributes
    ----------
    forests : tuple of tuples of Tree
        One a provider.
    """

    forests: tuple[tuple[Tree, ...], ...]

    def log_scores(self, vectors: NDArray[np.int32]) -> NDArray[np.float64]:
        """Log-probabilities of documents, shape (n, C)."""
        points = vectors.astype(np.int64)
        total = sum(tree.values(points) for forest in self.forests for tree in forest)
        return logistic.log_softmax(np.asarray(total, dtype=np.float64) / (_ONE * len(self.forests)))


def train_literally(
    codebook: Codebook, shares: Sequence[Share], epsilon: float, generator: np.random.Generator
) -> Union:
    """Noise every coordinate of every vector with Lap(s / epsilon), and train a GBDT at each provider.

    Two vectors of length 1 differ by at most s = 2 sqrt(r) in the L1 norm.
    """
    scale = 2.0 * codebook.rank**0.5 * (1 << codebook.grid_bits) / epsilon
    forests = []
    for vectors, labels in shares:
        noised = np.rint(vectors + generator.laplace(scale=scale, size=vectors.shape)).astype(np.int64)
        targets = np.zeros((len(labels), len(codebook.categories)), dtype=np.int64)
        targets[np.arange(len(labels)), labels] = _ONE
        forests.append(grow(noised, targets, GROWTH))
    return Union(forests=tuple(forests))
