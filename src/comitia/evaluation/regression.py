"""How far predictions of a number are from it: Eq. (6) on documents nobody trained on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from comitia.core.errors import InputError
from comitia.evaluation.federation import federate
from comitia.evaluation.partitions import share_out
from comitia.evaluation.prepared import HELD_OUT
from comitia.learning.bins import BinnedTarget
from comitia.learning.metrics import mae
from comitia.privacy.noise import Noise
from comitia.privacy.terms import PrivacyTerms
from comitia.text.build import build_codebook
from comitia.text.codebook import EDGE_UNIT
from comitia.text.documents import Document
from comitia.text.target import bin_categories, classes_of

POOL = 0.25
"""Share of the documents whose texts, without their values, are the public pool."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Errors:
    """Mean absolute errors of one run, in the unit of the values, which are clipped to the public range.

    Attributes
    ----------
    providers : int
    public_only : float
        Of the model that knows the range alone.
    shared : tuple of (str, float)
        Of the shared model at each epsilon.
    best_constant : float
        Of the held-out documents' own median: what a model without text could reach at most.
    clipped : int
        Values outside the public range, in all documents.
    """

    providers: int
    public_only: float
    shared: tuple[tuple[str, float], ...]
    best_constant: float
    clipped: int


def run_regression(
    documents: Sequence[Document],
    edges: tuple[int, ...],
    *,
    partition: str,
    providers: int,
    epsilons: Sequence[str],
    delta: str,
    seed: int,
    noise: Noise,
) -> Errors:
    """Share out, train, combine and measure once; documents without a value are in the pool.

    Raises
    ------
    InputError
        A value that is not a number, or too few documents that have one.
    """
    generator = np.random.Generator(np.random.PCG64(seed))
    valued = [document for document in documents if document.label]
    if len(valued) < 8:
        raise InputError(f"{len(valued)} documents have a value", code="too-few-documents")
    order = generator.permutation(len(valued))
    pooled, tested = int(POOL * len(valued)), int((POOL + HELD_OUT) * len(valued))
    pool = [document.text for document in documents if not document.label] + [valued[i].text for i in order[:pooled]]
    codebook = replace(build_codebook(pool, bin_categories(edges)), edges=edges)
    binned = classes_of(codebook, [document.label for document in valued])
    vectors = codebook.vectorize([document.text for document in valued])
    held_out, training = order[pooled:tested], np.sort(order[tested:])
    kept = [valued[row] for row in training]
    shares = share_out(kept, partition, providers=providers, generator=generator)
    parts = [(vectors[training[share]], binned.labels[training[share]]) for share in shares]
    low, high = edges[0] / EDGE_UNIT, edges[-1] / EDGE_UNIT
    truth = np.clip([float(valued[row].label or "") for row in held_out], low, high)
    learner = BinnedTarget()

    def error(epsilon: str) -> float:
        model, _ = federate(learner, codebook, parts, PrivacyTerms.of(epsilon, delta), noise)
        return mae(truth, model.predict_values(vectors[held_out]))

    return Errors(
        providers=len(parts),
        public_only=mae(truth, learner.combine(codebook, ()).predict_values(vectors[held_out])),
        shared=tuple((epsilon, error(epsilon)) for epsilon in epsilons),
        best_constant=mae(truth, np.full(len(truth), float(np.median(truth)))),
        clipped=binned.clipped,
    )
