"""What every learner can do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from comitia.learning.global_model import GlobalModel
from comitia.learning.judging import Judged
from comitia.learning.local_model import LocalModel
from comitia.privacy.noise import Noise
from comitia.privacy.released import Released
from comitia.privacy.terms import PrivacyTerms
from comitia.text.codebook import Codebook


class Learner(Protocol):
    """One way to learn: private vectors to a release, accepted releases to a model. Stateless.

    Source: Algorithm 1, Fig. 6

    `combine` and `judge` are exact: every member, on any processor, gets the same bytes.

    A learner with rounds is given the model of the rounds before; the first round, and a learner without rounds,
    is given None.
    """

    @property
    def name(self) -> str:
        """Name in the registry."""
        ...

    @property
    def release_name(self) -> str:
        """Name of the learner whose releases it combines; the same release serves all that combine it."""
        ...

    @property
    def kind(self) -> str:
        """What it learns: "classification" or "regression", as `Codebook.task_kind`."""
        ...

    @property
    def rounds(self) -> int:
        """How many rounds it takes unless a request says otherwise; 1 for a learner without rounds."""
        ...

    @property
    def releases_class_sums(self) -> bool:
        """Whether releases are noised class sums, made in one round, which `signal.gain` can judge."""
        ...

    @property
    def pure(self) -> bool:
        """Whether it can release with pure privacy, a delta of 0."""
        ...

    def shape(self, codebook: Codebook) -> tuple[int, int]:
        """Shape of a release's values."""
        ...

    def sensitivity_squared(self, codebook: Codebook) -> int:
        """Square of the most that replacing one document moves the statistic in the L2 norm, in squared grid steps."""
        ...

    def l1_sensitivity(self, codebook: Codebook) -> int | None:
        """The same in the L1 norm, in grid steps, of a release with pure privacy; None for a learner not `pure`."""
        ...

    def statistic(
        self,
        codebook: Codebook,
        vectors: NDArray[np.int32],
        labels: NDArray[np.int64],
        given: GlobalModel | None = None,
    ) -> NDArray[np.int64]:
        """What a release is before noise: private. Arguments as `train`."""
        ...

    def train(
        self,
        codebook: Codebook,
        vectors: NDArray[np.int32],
        labels: NDArray[np.int64],
        terms: PrivacyTerms,
        noise: Noise,
        given: GlobalModel | None = None,
    ) -> Released[LocalModel]:
        """Learn from private documents.

        Parameters
        ----------
        vectors : int32 array, shape (n, r), n >= 1
            As `Codebook.vectorize` makes them.
        labels : int array, shape (n,)
            Index into `codebook.categories`.
        terms : PrivacyTerms
            Of this release, one of possibly several. With unit `user` the caller keeps at most `records_per_user`
            documents a user.

        Raises
        ------
        InputError
            No documents, a label outside the codebook, vectors that are not the codebook's.
        """
        ...

    def combine(
        self, codebook: Codebook, accepted: Sequence[Released[LocalModel]], given: GlobalModel | None = None
    ) -> GlobalModel:
        """Make the model M from public knowledge and the accepted releases; none leaves what is given as it is.

        In any order of the releases.
        """
        ...

    def reference_loss_ppm(self, codebook: Codebook, model: GlobalModel) -> int | None:
        """Loss of a combined model on the public references, in millionths; None where there are none. Exact."""
        ...

    def judge(self, codebook: Codebook, release: Released[LocalModel], given: GlobalModel | None = None) -> Judged:
        """What public knowledge has to say of one release."""
        ...
