"""The default learner: one round of noised class sums, combined with a public prior."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from comitia.learning.class_sums import class_sums, inverse_count_weight, sensitivity_squared
from comitia.learning.global_model import GlobalModel
from comitia.learning.judging import Judged, judge_class_sums
from comitia.learning.linear import prototype_scores
from comitia.learning.local_model import LocalModel
from comitia.learning.posterior import posterior
from comitia.learning.pure_sums import l1_sensitivity, shortened
from comitia.learning.reference import wrong_references_ppm
from comitia.learning.training_set import declared_rows, require_training_set
from comitia.privacy.mechanisms import gaussian, laplace
from comitia.privacy.noise import Noise
from comitia.privacy.released import Released
from comitia.privacy.terms import PrivacyTerms
from comitia.text.codebook import Codebook


class Prototype:
    """Noised sums of each category's vectors, all categories always; see `class_sums` and `posterior`."""

    name: str = "prototype"
    release_name = "prototype"
    releases_class_sums = True
    rounds = 1
    kind: str = "classification"
    pure = True

    def shape(self, codebook: Codebook) -> tuple[int, int]:
        """A row for each category: the sum of its vectors and its weighted number of documents."""
        return len(codebook.categories), codebook.rank + 1

    def sensitivity_squared(self, codebook: Codebook) -> int:
        """See `class_sums.sensitivity_squared`, with its proof."""
        return sensitivity_squared(codebook)

    def l1_sensitivity(self, codebook: Codebook) -> int:
        """See `pure_sums.l1_sensitivity`, with its proof."""
        return l1_sensitivity(codebook)

    def statistic(
        self,
        codebook: Codebook,
        vectors: NDArray[np.int32],
        labels: NDArray[np.int64],
        given: GlobalModel | None = None,
    ) -> NDArray[np.int64]:
        """See `Learner.statistic`: the class sums."""
        return class_sums(codebook, vectors, labels)

    def train(
        self,
        codebook: Codebook,
        vectors: NDArray[np.int32],
        labels: NDArray[np.int64],
        terms: PrivacyTerms,
        noise: Noise,
        given: GlobalModel | None = None,
    ) -> Released[LocalModel]:
        """See `Learner.train`. Noise goes on the sums, where it protects labels and terms alike.

        Source: III.D.1 step 2
        """
        require_training_set(codebook, vectors, labels)
        released = self._noised(codebook, vectors, labels, terms, noise)
        counted = int(released.value[:, -1].sum()) * inverse_count_weight(codebook) >> codebook.grid_bits
        rows = declared_rows(counted)
        return released.map(
            lambda values: LocalModel(learner=self.release_name, codebook=codebook.digest, rows=rows, values=values)
        )

    def _noised(
        self,
        codebook: Codebook,
        vectors: NDArray[np.int32],
        labels: NDArray[np.int64],
        terms: PrivacyTerms,
        noise: Noise,
    ) -> Released[NDArray[np.int64]]:
        if terms.pure:
            return laplace(
                class_sums(codebook, shortened(codebook, vectors), labels),
                l1_sensitivity=self.l1_sensitivity(codebook),
                terms=terms,
                noise=noise,
                grid_bits=codebook.grid_bits,
            )
        return gaussian(
            self.statistic(codebook, vectors, labels),
            l2_sensitivity_squared=self.sensitivity_squared(codebook),
            terms=terms,
            noise=noise,
            grid_bits=codebook.grid_bits,
        )

    def combine(
        self, codebook: Codebook, accepted: Sequence[Released[LocalModel]], given: GlobalModel | None = None
    ) -> GlobalModel:
        """See `Learner.combine`. The mean of Algorithm 1, line 11, weighted by what each release is worth."""
        return GlobalModel(codebook=codebook, learner=self.name, posterior=posterior(codebook, accepted))

    def judge(self, codebook: Codebook, release: Released[LocalModel], given: GlobalModel | None = None) -> Judged:
        """See `Learner.judge`: the matched filter, and the loss on references."""
        return judge_class_sums(codebook, release)

    def reference_loss_ppm(self, codebook: Codebook, model: GlobalModel) -> int | None:
        """See `Learner.reference_loss_ppm`. References are part of these models, so they judge them kindly."""
        scores = prototype_scores(codebook, model.posterior)
        return wrong_references_ppm(codebook, scores.products(codebook.references))
