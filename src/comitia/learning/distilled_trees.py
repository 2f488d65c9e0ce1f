"""Learners whose model is made of trees: `gbdt`, `forest`, `tree`. Cf. IV.A, where the paper trains a GBDT.

Providers release what `prototype` releases, noised class sums, and the trees are grown on public points to say what
the prototypes say there. So they cost no privacy beyond the sums: growing is post-processing. Trees grown on private
documents need noise in every leaf, and thousands of noised leaves drown; noise in the leaves alone, with questions
chosen by private documents, is not private at all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from comitia.core.errors import InputError
from comitia.learning.boosting import boost
from comitia.learning.global_model import MODEL_LIMIT, GlobalModel
from comitia.learning.growing import grow_forest
from comitia.learning.local_model import LocalModel
from comitia.learning.prototype import Prototype
from comitia.learning.trees import Trees, tree_points
from comitia.privacy.released import Released
from comitia.text.codebook import Codebook

IntArray = NDArray[np.int64]

PUBLIC_POINTS = 1024
"""So many public points stand for the documents of the field: those there are, and mixtures of two."""


class DistilledTrees(Prototype):
    """Prototypes from noised class sums, and trees that say the same.

    Parameters
    ----------
    name : str
        Name in the registry.
    grow : callable
        Makes trees that say at their points, the prototypes' scores, what the points are.
    leaves : int
        Of all its trees together.
    """

    def __init__(self, name: str, grow: Callable[[IntArray], Trees], *, leaves: int) -> None:
        self.name = name
        self._grow = grow
        self._leaves = leaves

    def combine(
        self, codebook: Codebook, accepted: Sequence[Released[LocalModel]], given: GlobalModel | None = None
    ) -> GlobalModel:
        """See `Learner.combine`.

        Raises
        ------
        InputError
            `too-many-categories`: the trees' leaves would not fit a model.
        """
        if 4 * len(codebook.categories) * self._leaves > MODEL_LIMIT // 2:
            raise InputError(
                f"{len(codebook.categories)} categories are too many for learner {self.name!r}",
                code="too-many-categories",
                hint="use learner 'prototype'",
                categories=len(codebook.categories),
            )
        model = super().combine(codebook, accepted)
        points = tree_points(codebook, model.prototype_scores, _public_points(codebook))
        return replace(model, head=self._grow(points))


def _public_points(codebook: Codebook) -> NDArray[np.int32]:
    """Vectors that stand for the documents of the field, shape (n, r), n >= 1: pool, references, names, mixtures."""
    public = np.vstack([codebook.pool_sample, codebook.references, codebook.name_vectors])
    rows = np.arange(max(0, PUBLIC_POINTS - len(public)))
    # Strides that share no factor with most sizes pair each point with many others.
    mixed = (7 * (public[rows % len(public)] + public[(rows * 257 + rows // len(public) + 1) % len(public)])) // 10
    return np.vstack([public, mixed]).astype(np.int32)


def _boosted(points: IntArray) -> Trees:
    return boost(points, points, stumps=1000, tried=6, rate_percent=60)


def _averaged(points: IntArray) -> Trees:
    return grow_forest(points, points, trees=20, depth=7, tried=6)


def _single(points: IntArray) -> Trees:
    return grow_forest(points, points, trees=1, depth=9, tried=64)


GBDT = DistilledTrees("gbdt", _boosted, leaves=2000)
FOREST = DistilledTrees("forest", _averaged, leaves=20 << 7)
TREE = DistilledTrees("tree", _single, leaves=1 << 9)
