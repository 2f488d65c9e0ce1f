"""The learner for numbers: noised sums of the documents in each public bin of the target.

It is `prototype` with a bin for a category, and the bins' noised counts as what is believed of a value before its text
is read. The prediction is the median of the bins' probabilities, which is what the mean absolute error of Eq. (6) asks
for. A document is in one bin, so the release and its proof are those of `prototype`; values outside the public range
count in the outermost bins.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from comitia.learning.global_model import GlobalModel
from comitia.learning.heads import Bins
from comitia.learning.local_model import LocalModel
from comitia.learning.posterior import released_counts
from comitia.learning.prototype import Prototype
from comitia.privacy.released import Released
from comitia.text.codebook import Codebook


class BinnedTarget(Prototype):
    """Predicts a number: see the module."""

    name = "bins"
    kind = "regression"

    def combine(
        self, codebook: Codebook, accepted: Sequence[Released[LocalModel]], given: GlobalModel | None = None
    ) -> GlobalModel:
        """See `Learner.combine`."""
        counts = np.zeros(len(codebook.categories), dtype=np.int64)
        for release in accepted:
            counts += released_counts(codebook, release)
        return replace(super().combine(codebook, accepted), head=Bins(counts=counts))
