"""What a release does on the codebook's public reference documents: exact, and free of budget."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from comitia.core.units import PPM
from comitia.learning.linear import prototype_scores
from comitia.learning.local_model import LocalModel
from comitia.learning.posterior import posterior
from comitia.privacy.released import Released
from comitia.text.codebook import Codebook


def reference_loss_ppm(codebook: Codebook, release: Released[LocalModel]) -> int | None:
    """Share of the reference documents that pool, names and this release alone put in a wrong category, in millionths.

    Cf. Eq. (6), with a loss of 1 for each misclassified document. The references themselves are left out of the model,
    so that a release of nothing but zeros shows the loss of public names alone.

    Returns
    -------
    int or None
        None where there are no references.
    """
    if not len(codebook.references):
        return None
    believed = posterior(codebook, (release,), references=False)
    scores = prototype_scores(codebook, believed, references=False)
    return wrong_references_ppm(codebook, scores.products(codebook.references))


def wrong_references_ppm(codebook: Codebook, scores: NDArray[np.int64]) -> int | None:
    """Share of the references whose highest score is not their category's, in millionths; None without references.

    With a target, how far the best bins are from the true ones instead, as a share of the range.

    Parameters
    ----------
    scores : array, shape (R, C)
        Exact on every machine.
    """
    if not len(codebook.references):
        return None
    best = scores.argmax(axis=1)
    if codebook.edges:
        return _mae_ppm(codebook, best)
    wrong = int((best != codebook.reference_labels).sum())
    return wrong * PPM // len(codebook.references)


def _mae_ppm(codebook: Codebook, best: NDArray[np.intp]) -> int:
    """Mean distance of the middles of the best bins from those of the true ones, over the range. Cf. Eq. (6)"""
    edges = np.array(codebook.edges, dtype=np.int64)
    middles = edges[:-1] + edges[1:]
    total = int(np.abs(middles[best] - middles[codebook.reference_labels]).sum())
    return total * PPM // (2 * int(edges[-1] - edges[0]) * len(best))
