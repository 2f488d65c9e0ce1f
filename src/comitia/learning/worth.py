"""What sharing can be worth, told from public figures before anybody spends budget.

A provider with n documents of a category is worth about n_eff public reference documents of it: for each coordinate
n² v / (n v + sigma²), v being its variance within a category and sigma the noise, averaged with the weights v. Public
knowledge is worth m: its references, and two for a name. Sharing then knows a category closer by a fraction
f = n_eff / (n_eff + m + .25). Of 1 - AUC, all that public knowledge leaves to be gained, it gains at least .15 f and at
most 1.2 sqrt(f), f averaged over the categories: bounds found on the tasks of `benchmarks/learning.toml`, not proved.
How much within them depends on how far the categories' words overlap, which nothing public says.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from comitia.learning.class_sums import sensitivity_squared
from comitia.learning.contract import Learner
from comitia.learning.metrics import macro_auc
from comitia.learning.posterior import SCATTER_TENTHS, public_documents
from comitia.learning.prototype import Prototype
from comitia.learning.pure_sums import l1_sensitivity
from comitia.privacy.mechanisms import gaussian_sigma_squared, laplace_scale
from comitia.privacy.terms import PrivacyTerms
from comitia.text.codebook import VARIANCE_BITS, Codebook

FloatArray = NDArray[np.float64]

LEAST_SHARE, MOST_SHARE = 0.15, 1.2
"""Shares of what public knowledge leaves to be gained, for f and for its root."""
ENOUGH = 0.01
"""A gain that may stay below this much AUC is hardly worth any budget."""
DOUBT = 0.25
"""What is believed of a category before any evidence counts as so many documents."""
FOLDS = 5
CHANCE = 0.5
"""AUC of a category of which nothing is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Worth:
    """What one request can be worth.

    Attributes
    ----------
    public_auc : float or None
        Macro one-vs-rest AUC of public knowledge; None where nobody can tell.
    public, shared : tuple of float
        For each category how many reference documents public knowledge and the releases are worth.
    gain : (float, float) or None
        AUC that sharing adds, at least and at most; None where the public AUC is, or the learner cannot be foretold.
    """

    public_auc: float | None
    public: tuple[float, ...]
    shared: tuple[float, ...]
    gain: tuple[float, float] | None

    @property
    def sentence(self) -> str:
        """It in one sentence."""
        helped = sum(shared > public for shared, public in zip(self.shared, self.public, strict=True))
        known = f"{helped} of {len(self.shared)} categories better than public knowledge does"
        more = f"class sums at this epsilon know {known}"
        if self.public_auc is None:
            return f"What public knowledge alone reaches is not known; {more}."
        if self.gain is None:
            return f"What this learner adds to an AUC of {self.public_auc:.3f} is not foretold; {more}."
        least, most = self.gain
        if most < ENOUGH:
            return f"Public knowledge is enough: AUC {self.public_auc:.3f}, sharing may add {most:.3f} at most; {more}."
        if helped == 0:
            return f"Sharing is hardly worth its budget at this epsilon: +{least:.3f} to +{most:.3f}; {more}."
        return f"Sharing may add {least:.3f} to {most:.3f} to an AUC of {self.public_auc:.3f}; {more}."


def can_foretell(learner: Learner) -> bool:
    """Whether the bounds hold for a learner: for those that combine the class sums of categories."""
    return learner.release_name == Prototype.release_name and learner.kind == Prototype.kind


def worth(
    codebook: Codebook, learner: Learner, counts: FloatArray, terms: PrivacyTerms, *, public_auc: float | None
) -> Worth:
    """Foretell a request.

    Parameters
    ----------
    learner : Learner
        Of a kind that tells categories apart.
    counts : float array, shape (providers, C)
        Documents of each category that each provider would train on, as its profile has them.
    terms : PrivacyTerms
        Of each release.
    """
    shared = effective_references(codebook, counts, terms)
    public = public_documents(codebook).astype(np.float64)
    closer = float((shared / (shared + public + DOUBT)).mean())
    left = 1 - public_auc if public_auc is not None and can_foretell(learner) else None
    return Worth(
        public_auc=public_auc,
        public=tuple(public.tolist()),
        shared=tuple(shared.tolist()),
        gain=None if left is None else (LEAST_SHARE * closer * left, min(1.0, MOST_SHARE * closer**0.5) * left),
    )


def effective_references(codebook: Codebook, counts: FloatArray, terms: PrivacyTerms) -> FloatArray:
    """n_eff of class sums, added up over providers, for each category; shape (C,)."""
    sigma_squared = noise_variance(codebook, terms)
    scatter = codebook.pool_variance * 2.0**-VARIANCE_BITS * SCATTER_TENTHS / 10
    documents = np.maximum(counts, 0.0)[:, :, None]
    by_coordinate = (documents**2 * scatter / (documents * scatter + sigma_squared)).sum(axis=0)
    return np.asarray(by_coordinate @ (scatter / scatter.sum()))


def noise_variance(codebook: Codebook, terms: PrivacyTerms) -> float:
    """Of each value of class sums that are released on these terms; a vector's longest length is 1."""
    if terms.pure:
        in_grid_steps = 2 * laplace_scale(l1_sensitivity(codebook), terms) ** 2
    else:
        in_grid_steps = Fraction(gaussian_sigma_squared(sensitivity_squared(codebook), terms))
    return float(in_grid_steps) / 4.0**codebook.grid_bits


def public_auc(codebook: Codebook, learner: Learner) -> float | None:
    """What public knowledge alone reaches: what the codebook says, or else as its references tell.

    Each reference is scored by the model of the names and the other folds' references; macro AUC over the categories
    that have some, and those of which nothing is public, neither name nor reference, as `CHANCE`. None without
    references of two categories.
    """
    if codebook.public_only_auc_ppm is not None:
        return codebook.public_only_auc_ppm / 1e6
    labels = codebook.reference_labels
    if len(np.unique(labels)) < 2:
        return None
    fold = _folds(labels)
    scores = np.zeros((len(labels), len(codebook.categories)))
    for number in range(FOLDS):
        out = fold == number
        if out.any():
            known = replace(codebook, references=codebook.references[~out], reference_labels=labels[~out])
            scores[out] = learner.combine(known, ()).log_scores(codebook.references[out])
    measured = len(np.unique(labels))
    unknown = int(np.count_nonzero(public_documents(codebook) == 0))
    return (measured * macro_auc(labels, scores) + unknown * CHANCE) / (measured + unknown)


def _folds(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Fold of each reference, so that a category's references are in different ones."""
    fold = np.zeros(len(labels), dtype=np.int64)
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        fold[rows] = (np.arange(len(rows)) + label) % FOLDS
    return fold


def profile_counts(
    leaf_labels: Sequence[str], histograms: Sequence[Sequence[int]], labels: Sequence[str]
) -> FloatArray:
    """Documents of each category by provider, (providers, C), as leaves named after categories count them."""
    columns = [[leaf for leaf, name in enumerate(leaf_labels) if name == label] for label in labels]
    return np.array(
        [[float(sum(histogram[leaf] for leaf in leaves)) for leaves in columns] for histogram in histograms]
    ).reshape(len(histograms), len(labels))
