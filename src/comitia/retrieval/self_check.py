"""A candidate looks at what it holds before it consents, without its answer telling more than was paid for.

A yes or no that follows from the true share of documents is an exact query on private data, which anyone may repeat
with one document more or less. So the provider draws a second noisy histogram, over categories by its own labels,
keeps it to itself, and answers from that: every answer, however often and about whatever, is post-processing of one
release (ADR 0040).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from comitia.core.units import MICRO
from comitia.privacy.mechanisms import laplace
from comitia.privacy.noise import Noise
from comitia.privacy.released import Released
from comitia.privacy.terms import PrivacyTerms
from comitia.retrieval.profile import HISTOGRAM_SENSITIVITY

RELATED_PPM: Final = 250_000
"""Share of its documents, in millionths, from which on a provider is related to a category: it should be found for it.
The one definition there is; whatever is measured is measured by it (ADR 0054)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SelfCheck:
    """What a provider answers from.

    Attributes
    ----------
    documents : int
        How many it has, labelled or not: neighbours have as many.
    histogram : tuple of int
        Noisy number of documents of each category; may be negative.
    """

    documents: int
    histogram: tuple[int, ...]

    def confirms(self, categories: Sequence[int]) -> bool:
        """Whether documents of these categories together are as large a share of all as makes it related."""
        held = sum(self.histogram[category] for category in categories)
        return held * MICRO >= RELATED_PPM * self.documents


def make_self_check(
    category_count: int,
    labels: Sequence[int] | NDArray[np.int64],
    documents: int,
    terms: PrivacyTerms,
    noise: Noise,
) -> Released[SelfCheck]:
    """Count a provider's documents by their labels, noised.

    Sensitivity: replacing a document takes at most 1 from one category and adds at most 1 to another, 2 in the L1 norm.
    Neighbours have the same number of documents, but not of labelled ones: that number is not told.

    Parameters
    ----------
    category_count : int
        At least 1.
    labels : int array (n,)
        Category of each labelled document, 0 to `category_count` less 1.
    documents : int
        How many there are, labelled or not.
    terms : PrivacyTerms
        Pure: delta 0.
    """
    counts = np.bincount(np.asarray(labels, dtype=np.int64), minlength=category_count).astype(np.int64)
    released = laplace(counts, l1_sensitivity=HISTOGRAM_SENSITIVITY, terms=terms, noise=noise)
    return released.map(lambda noisy: SelfCheck(documents=documents, histogram=tuple(int(count) for count in noisy)))
