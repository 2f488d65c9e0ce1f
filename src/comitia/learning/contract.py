"""What every learner can do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from comitia.learning.global_model import GlobalModel
from comitia.learning.local_model import LocalModel
from comitia.privacy.noise import Noise
from comitia.privacy.released import Released
from comitia.privacy.terms import PrivacyTerms
from comitia.text.codebook import Codebook


class Learner(Protocol):
    """One way to learn: private vectors to a release, accepted releases to a model. Stateless.

    Source: Algorithm 1, Fig. 6

    `combine` is exact: every member, on any processor, gets the same bytes.
    """

    @property
    def name(self) -> str:
        """Name in the registry."""
        ...

    def shape(self, codebook: Codebook) -> tuple[int, int]:
        """Shape of a release's values."""
        ...

    def sensitivity_squared(self, codebook: Codebook) -> int:
        """Square of the most that replacing one document moves the values in the L2 norm, in squared grid steps."""
        ...

    def train(
        self,
        codebook: Codebook,
        vectors: NDArray[np.int32],
        labels: NDArray[np.int64],
        terms: PrivacyTerms,
        noise: Noise,
    ) -> Released[LocalModel]:
        """Learn from private documents.

        Parameters
        ----------
        vectors : int32 array, shape (n, r), n >= 1
            As `Codebook.vectorize` makes them.
        labels : int array, shape (n,)
            Index into `codebook.categories`.
        terms : PrivacyTerms
            With unit `user` the caller keeps at most `records_per_user` documents a user.

        Raises
        ------
        InputError
            No documents, a label outside the codebook, vectors that are not the codebook's.
        """
        ...

    def combine(self, codebook: Codebook, accepted: Sequence[Released[LocalModel]]) -> GlobalModel:
        """Make the model M from public knowledge and the accepted releases; none leaves public knowledge alone."""
        ...
