"""The learner for numbers: noised sums of the documents in each public bin of the target.

It is `prototype` with a bin for a category. The prediction is the median of the bins' probabilities, which is what the
mean absolute error of Eq. (6) asks for. A document is in one bin, so the release and its proof are those of
`prototype`; values outside the public range count in the outermost bins.
"""

from __future__ import annotations

from comitia.learning.prototype import Prototype


class BinnedTarget(Prototype):
    """Predicts a number: see the module."""

    name = "bins"
    kind = "regression"
