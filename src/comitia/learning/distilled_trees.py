"""Learners whose model is made of trees: `gbdt`, `forest`, `tree`. Cf. IV.A, where the paper trains a GBDT.

Providers release what `prototype` releases, noised class sums, and the trees are grown on public points to say what
the prototypes say there. So they cost no privacy beyond the sums: growing is post-processing. Trees grown on private
documents need noise in every leaf, and thousands of noised leaves drown; noise in the leaves alone, with questions
chosen by private documents, is not private at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from comitia.core.errors import InputError
from comitia.learning.fixed_scores import Standard, public_points
from comitia.learning.global_model import MODEL_LIMIT, GlobalModel
from comitia.learning.growing import Growth, grow
from comitia.learning.heads import Trees
from comitia.learning.local_model import LocalModel
from comitia.learning.prototype import Prototype
from comitia.privacy.released import Released
from comitia.text.codebook import Codebook


class DistilledTrees(Prototype):
    """Prototypes from noised class sums, and trees that say the same.

    Parameters
    ----------
    name : str
        Name in the registry.
    growth : Growth
    """

    def __init__(self, name: str, growth: Growth) -> None:
        self.name = name
        self._growth = growth

    def combine(
        self, codebook: Codebook, accepted: Sequence[Released[LocalModel]], given: GlobalModel | None = None
    ) -> GlobalModel:
        """See `Learner.combine`.

        Raises
        ------
        InputError
            `too-many-categories`: the trees' leaves would not fit a model.
        """
        leaf_bytes = 4 * len(codebook.categories) * self._growth.trees << self._growth.depth
        if leaf_bytes > MODEL_LIMIT // 2:
            raise InputError(
                f"{len(codebook.categories)} categories are too many for learner {self.name!r}",
                code="too-many-categories",
                hint="use learner 'prototype'",
                categories=len(codebook.categories),
            )
        model = super().combine(codebook, accepted)
        points = Standard(codebook, model.posterior.means).scores(public_points(codebook))
        return replace(model, head=Trees(trees=grow(points, points, self._growth)))


GBDT = DistilledTrees("gbdt", Growth(trees=1000, depth=1, tried=6, rate_percent=60))
FOREST = DistilledTrees("forest", Growth(trees=32, depth=8, tried=8, boosted=False))
TREE = DistilledTrees("tree", Growth(trees=1, depth=9, tried=64))
