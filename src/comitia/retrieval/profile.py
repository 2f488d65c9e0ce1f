"""What a provider tells the ledger of its data: a differentially private histogram over public leaves.

No key terms and no hashes of them: a hashed term is found by hashing a dictionary, in milliseconds (ADR on
the paper's contradiction 5). The histogram is the only thing that leaves, and it has paid for its noise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from comitia.core.errors import InputError, ProtocolError
from comitia.core.ids import NodeId
from comitia.core.logarithm import ln_pico
from comitia.core.units import MICRO, PICO
from comitia.privacy.mechanisms import laplace
from comitia.privacy.noise import Noise
from comitia.privacy.released import Released
from comitia.privacy.terms import PrivacyTerms, in_units
from comitia.retrieval.unmixing import unmix

MAX_LEAVES: Final = 4096
MOST_PUBLISHED: Final = 6
LEAST_TOTAL: Final = 8
HISTOGRAM_SENSITIVITY: Final = 2
"""Replacing one document takes it out of one leaf and puts it into another: 1 + 1 in the L1 norm."""

PUBLISHED_PPM: Final = 170_000
"""Least share of a provider's documents in a leaf that it can be found under."""

BANDS_PPM: Final = (600_000, 350_000, 200_000)
"""Least share of a provider's documents for bands 0, 1 and 2; below is band 3."""


@dataclass(frozen=True, kw_only=True)
class RetrievalRecord:
    """A provider's entry in the ledger's register.

    Cf. Fig. 4 (retrieval record)

    provider : who.
    codebook : digest of the codebook whose leaves are counted, 32 bytes.
    epsilon_micro : what the histogram keeps for one document, millionths, pure: all that it cost, or, of who protects
        users, that over a user's documents. How wide the noise is follows from it.
    histogram : estimated number of documents by leaf; may be negative.
    data_types : what the documents are, in the provider's words.
    """

    provider: NodeId
    codebook: bytes
    epsilon_micro: int
    histogram: tuple[int, ...]
    data_types: tuple[str, ...] = ("text",)

    def __post_init__(self) -> None:
        if not 1 <= len(self.histogram) <= MAX_LEAVES:
            raise ValueError(f"a histogram has 1 to {MAX_LEAVES} leaves, not {len(self.histogram)}")
        if self.epsilon_micro < 1 or len(self.codebook) != 32 or len(self.data_types) > 8:
            raise ValueError("a retrieval record has an epsilon, a codebook and at most 8 data types")
        if any(abs(count) > 1 << 40 for count in self.histogram):
            raise ValueError("a count of documents is out of range")

    @cached_property
    def total(self) -> int:
        """S: documents in the leaves that stand out of the noise, at least `LEAST_TOTAL`."""
        least = least_standing(len(self.histogram), self.epsilon_micro)
        return max(LEAST_TOTAL, sum(count for count in self.histogram if count >= least))

    @cached_property
    def published(self) -> tuple[int, ...]:
        """Indices of the leaves that the provider can be found under, the strongest first; at least one."""
        least = least_clear(len(self.histogram), self.epsilon_micro)
        strongest = sorted(range(len(self.histogram)), key=lambda leaf: (-self.histogram[leaf], leaf))
        clear = [leaf for leaf in strongest if self.share_ppm(leaf) >= PUBLISHED_PPM and self.histogram[leaf] >= least]
        return tuple(clear[:MOST_PUBLISHED]) or (strongest[0],)

    def share_ppm(self, leaf: int) -> int:
        """Share of the provider's documents in a leaf, millionths; at least 0."""
        return max(0, self.histogram[leaf]) * MICRO // self.total

    def band(self, leaf: int) -> int:
        """0 for a leaf with most of the provider's documents, up to 3."""
        share = self.share_ppm(leaf)
        return next((band for band, least in enumerate(BANDS_PPM) if share >= least), len(BANDS_PPM))


def least_standing(leaf_count: int, epsilon_micro: int) -> int:
    """Count from which a leaf stands out of the noise: .6 ln(L/2) / epsilon."""
    return -(-_noise_pico(leaf_count, epsilon_micro, 600_000) // PICO)


def least_clear(leaf_count: int, epsilon_micro: int) -> int:
    """Count from which a leaf is hardly ever noise alone: (ln(L/2) + 1) / epsilon."""
    noise = _noise_pico(leaf_count, epsilon_micro, MICRO) + PICO * MICRO // _scaled(epsilon_micro)
    return -(-noise // PICO)


def _noise_pico(leaf_count: int, epsilon_micro: int, factor_ppm: int) -> int:
    """factor * ln(L/2) / epsilon in units of 1e-12: how far noise alone lifts one of L leaves."""
    return ln_pico(max(leaf_count, 3), 2) * factor_ppm // _scaled(epsilon_micro)


def _scaled(epsilon_micro: int) -> int:
    """Epsilon by which the noise of one leaf is scaled: replacing moves two leaves."""
    return max(1, epsilon_micro // HISTOGRAM_SENSITIVITY)


def make_profile(
    provider: NodeId,
    codebook: bytes,
    leaf_count: int,
    leaves: Sequence[int] | NDArray[np.int64],
    terms: PrivacyTerms,
    noise: Noise,
    *,
    confusion: NDArray[np.float64] | None = None,
) -> Released[RetrievalRecord]:
    """Count a provider's documents by leaf and release the counts.

    Sensitivity: a document adds 1 to at most one leaf. Replacing it changes at most two counts by 1 each, so
    the L1 distance is at most 2 (`HISTOGRAM_SENSITIVITY`); the number of leaves is public, and so is how they are
    confused.

    Parameters
    ----------
    leaf_count : int
        How many leaves the codebook has.
    leaves : int array (n,)
        Leaf of each document, -1 for none.
    terms : PrivacyTerms
        Pure: delta 0.
    confusion : float64 array (L, L), optional
        Which leaf documents of each are taken for (`unmix`); None leaves the noisy counts as they are.

    Raises
    ------
    InputError
        If the codebook has no leaves, or there are so few documents that the noise would drown them.
    """
    if leaf_count < 1:
        raise InputError("the codebook has no leaves", code="no-leaves", hint="build it with a pool or references")
    indices = np.asarray(leaves, dtype=np.int64)
    counts = np.bincount(indices[indices >= 0], minlength=leaf_count).astype(np.int64)
    require_visible(len(indices), leaf_count, terms)
    released = laplace(counts, l1_sensitivity=HISTOGRAM_SENSITIVITY, terms=terms, noise=noise)
    if confusion is not None:
        least = least_standing(leaf_count, terms.record_epsilon_micro)
        released = released.map(lambda noisy: unmix(noisy[None], confusion, least)[0])
    return released.map(
        lambda noisy: RetrievalRecord(
            provider=provider,
            codebook=codebook,
            epsilon_micro=terms.record_epsilon_micro,
            histogram=tuple(int(count) for count in noisy),
        )
    )


def require_visible(documents: int, leaf_count: int, terms: PrivacyTerms) -> None:
    """Say before any budget is spent that so few documents cannot be found.

    The check may look at the number of all documents, which neighbours by replacement share; how many fall into a
    leaf is private.

    Raises
    ------
    InputError
        Code ``too-few-documents``.
    """
    needed = max(LEAST_TOTAL, _noise_pico(leaf_count, terms.record_epsilon_micro, MICRO) // PICO)
    if documents < needed:
        raise InputError(
            f"{documents} documents would drown in the noise of the profile: at least {needed} are needed at "
            f"epsilon {in_units(terms.epsilon_micro)} per {terms.unit} over {leaf_count} leaves",
            code="too-few-documents",
            hint="take part with more documents; nothing was spent",
            documents=documents,
            needed=needed,
        )


def require_fitting(record: RetrievalRecord, author: NodeId) -> None:
    """Refuse a record that its author could not have made.

    Raises
    ------
    ProtocolError
        Code ``foreign-profile``.
    """
    if record.provider != author:
        raise ProtocolError(f"{author} registers a profile of {record.provider}", code="foreign-profile", author=author)
