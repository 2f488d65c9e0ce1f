"""What is believed of each category's mean vector after public knowledge and noised class sums: exact on any machine.

A category's documents scatter around its mean with variance v = .8 lambda a coordinate, lambda being the pool's
variance. The means scatter around the pool's mean m0 with variance v / p: before anything is known of a category it is
as if p of its documents had m0 as their mean (`prior_documents`). Then, with everything multiplied by v,

    M = [p m0 + references + 2 name + sum_i b_i S_i] / [p + R + 2 + sum_i b_i n_i]
    b_i = n_i v / (n_i v + sigma_i²)

where S_i is provider i's noised sum of n_i documents, R the number of public references, and a name counts as two
documents. b_i is the share of S_i's scatter that is not noise. Absent terms drop out.

Arithmetic: additions are of integers, so their order is free; b_i, the contributions rounded to integers, and the
quotient come from single IEEE operations in double precision. No BLAS, no exp, no fused operation takes part.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isqrt

import numpy as np
from numpy.typing import NDArray

from comitia.learning.class_sums import inverse_count_weight
from comitia.learning.local_model import LocalModel
from comitia.privacy.released import Released
from comitia.text.codebook import MEAN_BITS, VARIANCE_BITS, Codebook
from comitia.text.vectors import VectorKind

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]

POSTERIOR_BITS = 30
"""Posterior means count in units of 2**-30 and lie in -1 .. 1, as every mean of unit vectors does."""
NAME_WEIGHT = 2
"""A category's name counts as so many documents."""
SCATTER_TENTHS = 8
"""v in tenths of the pool's variance."""
PRIOR_UNIT = 224
"""`prior_documents` counts in this part of a document."""
_BEND, _MOST_PRIOR = 16, 20
_EVEN_PRIOR = 6
_EXTRA_BITS = 10
"""Contributions are rounded to 2**-10 grid steps: below 2^48 for `MAX_ROWS` documents on the finest grid of 2^14, so
that `PRIOR_UNIT` times the sum of a hundred of them fits 64 bits."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Posterior:
    """What is believed of each category.

    Attributes
    ----------
    means : int32 array, shape (C, r)
        Mean vector of each category, in units of 2**-`POSTERIOR_BITS`.
    shared : int32 array, shape (C, r)
        The same from the releases alone, without public knowledge; 0 where they say nothing.
    evidence_micro : int64 array, shape (C,)
        How many references the releases are worth, in millionths: the sum over providers of n² v / (n v + sigma²).
    counts : int64 array, shape (C,)
        Documents of each category in all releases (`released_counts`), in grid steps, at least 0.
    """

    means: NDArray[np.int32]
    shared: NDArray[np.int32]
    evidence_micro: IntArray
    counts: IntArray


def posterior(codebook: Codebook, accepted: Sequence[Released[LocalModel]], *, references: bool = True) -> Posterior:
    """Combine public knowledge and releases, in any order of the releases.

    Parameters
    ----------
    references : bool
        False leaves the public reference documents out, so that they can serve as a test.
    """
    unit = 1 << _EXTRA_BITS
    shape = (len(codebook.categories), codebook.rank)
    shared_sums, shared_counts = np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=np.int64)
    evidence, documents = np.zeros(shape[0], dtype=np.int64), np.zeros(shape[0], dtype=np.int64)
    for release in accepted:
        counts = released_counts(codebook, release)
        documents += counts
        weights = _weights(codebook, counts, release.receipt.variance)
        shared_sums += np.rint(weights * release.value.values[:, :-1] * unit).astype(np.int64)
        shared_counts += np.rint(weights * counts[:, None] * unit).astype(np.int64)
        evidence += _evidence_micro(codebook, counts, release.receipt.variance)
    public_sums, public_counts = _public(codebook, references=references)
    pool_mean = codebook.pool_mean >> (MEAN_BITS - codebook.grid_bits - _EXTRA_BITS)
    prior, ones = prior_documents(codebook), unit << codebook.grid_bits
    sums = prior * pool_mean + PRIOR_UNIT * (public_sums * unit + shared_sums)
    counts = prior * ones + PRIOR_UNIT * (public_counts[:, None] * ones + shared_counts)
    return Posterior(
        means=_quotient(sums, counts),
        shared=_quotient(shared_sums, shared_counts),
        evidence_micro=evidence,
        counts=documents,
    )


def prior_documents(codebook: Codebook) -> IntArray:
    """p of each coordinate in units of 1 / `PRIOR_UNIT`, shape (r,).

    In longer documents (`lsa`) categories differ in what the pool varies most in, and hardly elsewhere: with j the
    coordinate's place by variance, the means' variance is .7 lambda / (1 + (j/16)²), at least .04 lambda. In short ones
    (`tf`) they differ alike in all coordinates, with .13 lambda.
    """
    if codebook.kind is VectorKind.TF:
        return np.full(codebook.rank, _EVEN_PRIOR * PRIOR_UNIT, dtype=np.int64)
    place = np.empty(codebook.rank, dtype=np.int64)
    place[np.argsort(-codebook.pool_variance, kind="stable")] = np.arange(codebook.rank)
    return np.minimum(_BEND**2 + place**2, _MOST_PRIOR * PRIOR_UNIT)


def released_counts(codebook: Codebook, release: Released[LocalModel]) -> IntArray:
    """Documents of each category as a release has them, in grid steps (2**grid_bits is one document), shape (C,).

    Noise alone does not count: what is below sigma is 0. Together they are at most the declared rows: beyond, all
    shrink in proportion.
    """
    counts = release.value.values[:, -1] * inverse_count_weight(codebook)
    counts = np.where(counts < isqrt(release.receipt.variance), 0, counts)
    total, declared = int(counts.sum()), release.value.rows << codebook.grid_bits
    if total <= declared:
        return counts
    return np.array([int(count) * declared // total for count in counts], dtype=np.int64)


def documents_known(codebook: Codebook, believed: Posterior, *, references: bool = True) -> FloatArray:
    """How many references what is known of each category is worth: public ones, names and releases; shape (C,)."""
    return np.asarray(_public(codebook, references=references)[1] + believed.evidence_micro / 1e6)


def public_documents(codebook: Codebook) -> IntArray:
    """How many documents names and references count as, shape (C,)."""
    return _public(codebook, references=True)[1]


def public_evidence(codebook: Codebook) -> NDArray[np.bool_]:
    """Which categories have a name or a reference document, shape (C,)."""
    return public_documents(codebook) > 0


def _public(codebook: Codebook, *, references: bool) -> tuple[IntArray, IntArray]:
    """Sums (C, r), in grid steps, and numbers (C,) of the documents that public knowledge is worth."""
    named = codebook.name_vectors.any(axis=1)
    sums: IntArray = np.array(codebook.name_vectors, dtype=np.int64) * NAME_WEIGHT
    counts: IntArray = np.where(named, NAME_WEIGHT, 0).astype(np.int64)
    if references:
        np.add.at(sums, codebook.reference_labels, codebook.references.astype(np.int64))
        np.add.at(counts, codebook.reference_labels, 1)
    return sums, counts


def _weights(codebook: Codebook, counts: IntArray, noise: int) -> FloatArray:
    """b = n v / (n v + sigma²) of each category and coordinate, shape (C, r)."""
    scatter = _documents(codebook, counts)[:, None] * _scatter(codebook.pool_variance, codebook)
    return np.asarray(scatter / (scatter + float(noise)))


def _evidence_micro(codebook: Codebook, counts: IntArray, noise: int) -> IntArray:
    """n² v / (n v + sigma²) of each category in millionths, v the mean over the coordinates; shape (C,)."""
    mean_variance = np.array([int(codebook.pool_variance.sum()) // codebook.rank])
    documents = _documents(codebook, counts)
    scatter = documents * _scatter(mean_variance, codebook)
    return np.rint(documents * (scatter / (scatter + float(noise))) * 1e6).astype(np.int64)


def _documents(codebook: Codebook, counts: IntArray) -> FloatArray:
    return np.asarray(counts / float(1 << codebook.grid_bits), dtype=np.float64)


def _scatter(variance: IntArray, codebook: Codebook) -> FloatArray:
    """v, in squared grid steps."""
    return np.asarray(
        variance * 2.0 ** (2 * codebook.grid_bits - VARIANCE_BITS) * float(SCATTER_TENTHS) / 10.0, dtype=np.float64
    )


def _quotient(sums: IntArray, counts: IntArray) -> NDArray[np.int32]:
    """sums / counts in units of 2**-`POSTERIOR_BITS`, held within -1 .. 1; 0 where there is no count."""
    ratio = sums / np.where(counts == 0, 1, counts) * np.where(counts == 0, 0.0, 1.0)
    return np.rint(np.clip(ratio, -1.0, 1.0) * float(1 << POSTERIOR_BITS)).astype(np.int32)
