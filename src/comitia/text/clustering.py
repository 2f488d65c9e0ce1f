"""k-means of an owner's documents, by weighted Jaccard (Ruzicka) or cosine distance. III.A, III.C step 1.

What comes out stays with the owner: it is learnt from private text.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from comitia.core.errors import InputError
from comitia.text.terms import TermMatrix

ITERATIONS = 25
STARTS = 4

SAMPLE = 5000
"""Documents that the starts are tried on, where there are more; the best goes on with all."""

Matrix = NDArray[np.float64]


class Distance(StrEnum):
    """How far a document is from a centroid.

    ``jaccard`` is 1 - sum min / sum max of rows that sum to 1, Ruzicka's distance: the form of Eq. (1)'s ratio that is
    a metric. Printed is the share of the weight of both on what only one has, times ln d_p, the metres between them;
    that is 0 at one metre whatever the contents are, and negative below. ``cosine`` is 1 - the cosine.

    Source: Eq. (1)
    """

    JACCARD = "jaccard"
    COSINE = "cosine"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Clustering:
    """Documents in clusters.

    Attributes
    ----------
    labels : int64 array (n,)
        Cluster of each document; an empty document is as far from all, and falls to the first.
    centroids : float64 array (k, terms)
        Arithmetic means of the scaled documents, for ``cosine`` of length 1. (Medians, which would minimise
        the Jaccard distance, are nearly all zero for sparse text, and collapse.)
    apart : float64 array (n,)
        Distance of each document from its centroid, 0 to 1.
    """

    labels: NDArray[np.int64]
    centroids: Matrix
    apart: NDArray[np.float64]

    @property
    def distance(self) -> float:
        """Mean distance of a document from its centroid, 0 to 1."""
        return float(self.apart.mean())


def kmeans(
    weights: TermMatrix,
    clusters: int,
    *,
    seed: int,
    distance: Distance = Distance.JACCARD,
    starts: int = STARTS,
    progress: Callable[[int], None] = lambda _: None,
) -> Clustering:
    """The best of several runs of k-means; of more than `SAMPLE` documents the runs are made on a part.

    Parameters
    ----------
    weights : TermMatrix
        Term weights >= 0, for example of `Codebook.document_weights` or `ContextGraphVectorizer.nodes`.
    clusters : int
        k, from 1 to the number of documents.
    seed : int
        The same seed gives the same clusters.
    distance : Distance
    starts : int
        How many runs, at least 1.
    progress : callable
        Told the number of each run, from 1, as it begins.

    Raises
    ------
    InputError
        If k or the number of runs is out of range, or a weight is negative or not finite.
    """
    if not 1 <= clusters <= weights.rows or starts < 1:
        raise InputError(f"{weights.rows} documents cannot be {clusters} clusters", code="bad-clusters")
    if not np.isfinite(weights.values).all() or (weights.values < 0).any():
        raise InputError("term weights are finite and not negative", code="bad-weights")
    documents = _scaled(weights, distance)
    generator = np.random.default_rng(seed)
    tried = documents
    if documents.rows > max(SAMPLE, clusters):
        tried = documents.select(np.sort(generator.choice(documents.rows, max(SAMPLE, clusters), replace=False)))
    runs = []
    for number in range(1, starts + 1):
        progress(number)
        runs.append(_run(tried, _spread_out(tried, clusters, distance, generator), distance))
    best = min(runs, key=lambda run: run.distance)
    return best if tried is documents else _run(documents, best.centroids, distance)


def distances(documents: TermMatrix, centroids: Matrix, distance: Distance) -> Matrix:
    """Distance of each document from each centroid, float64 (n, k), 0 to 1; all weights >= 0.

    For ``cosine`` rows of either have length 1 or 0; for ``jaccard`` they need not be scaled.
    """
    # Rows of terms, each in one piece and as narrow as the documents' values: gathering them is what takes the time.
    by_term = np.ascontiguousarray(centroids.T, dtype=documents.values.dtype)
    if distance is Distance.COSINE:
        return np.asarray(1.0 - documents.times(by_term), dtype=np.float64)
    # max(a, b) = a + b - min(a, b), so only the terms that a document has need be looked at.
    smaller = documents.overlaps(by_term).astype(np.float64)
    larger = documents.row_sums()[:, None] + centroids.sum(axis=1) - smaller
    return np.asarray(1.0 - smaller / np.where(larger > 0, larger, 1.0))


def _scaled(weights: TermMatrix, distance: Distance) -> TermMatrix:
    """Rows that sum to 1 (jaccard) or have length 1 (cosine), float32."""
    values = weights.values.astype(np.float64)
    power = 1 if distance is Distance.JACCARD else 2
    sizes = weights.row_sums(values**power) ** (1 / power)
    sizes = np.where(sizes > 0, sizes, 1.0)
    return weights.with_values((values / np.repeat(sizes, np.diff(weights.starts))).astype(np.float32))


def _run(documents: TermMatrix, centroids: Matrix, distance: Distance) -> Clustering:
    """Move centroids to the means of what is nearest to them until nothing changes."""
    clusters = len(centroids)
    labels = np.full(documents.rows, -1, dtype=np.int64)
    apart = distances(documents, centroids, distance)
    for _ in range(ITERATIONS):
        nearest = apart.argmin(axis=1)
        if np.array_equal(nearest, labels):
            break
        labels = nearest
        centroids = _means(documents, labels, apart.min(axis=1), clusters, distance)
        apart = distances(documents, centroids, distance)
    return Clustering(labels=apart.argmin(axis=1), centroids=centroids, apart=apart.min(axis=1))


def _means(
    documents: TermMatrix, labels: NDArray[np.int64], apart: Matrix, clusters: int, distance: Distance
) -> Matrix:
    """Centroids of the clusters; empty ones take over the documents that fit worst, one each."""
    places = labels[documents.row_of_entry] * documents.width + documents.columns
    sums = np.bincount(places, documents.values, minlength=clusters * documents.width)
    sizes = np.bincount(labels, minlength=clusters)
    means = sums.reshape(clusters, documents.width) / np.maximum(sizes, 1)[:, None]
    empty = np.flatnonzero(sizes == 0)
    worst = np.argsort(-apart, kind="stable")[: len(empty)]
    means[empty] = documents.select(worst).dense()
    if distance is Distance.COSINE:
        lengths = np.linalg.norm(means, axis=1, keepdims=True)
        means /= np.where(lengths > 0, lengths, 1.0)
    return np.asarray(means)


def _spread_out(documents: TermMatrix, clusters: int, distance: Distance, generator: np.random.Generator) -> Matrix:
    """Starting points far from each other: each next one drawn with odds of its squared distance."""
    chosen = [int(generator.integers(documents.rows))]
    nearest = np.full(documents.rows, np.inf)
    while len(chosen) < clusters:
        last = documents.select(np.asarray(chosen[-1:])).dense()
        nearest = np.minimum(nearest, distances(documents, last, distance)[:, 0])
        odds = np.square(np.maximum(nearest, 0.0))
        total = float(odds.sum())
        drawn = generator.choice(documents.rows, p=odds / total) if total > 0 else generator.integers(documents.rows)
        chosen.append(int(drawn))
    return np.asarray(documents.select(np.asarray(chosen)).dense(), dtype=np.float64)
