"""k-means with the weighted Jaccard (Ruzicka) distance: what does an owner hold? III.A, III.C step 1.

Centroids stay with their owner: they are learnt from private text.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from comitia.core.errors import InputError

ITERATIONS = 25
STARTS = 4
_PAIRS_AT_ONCE = 1 << 22

Matrix = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Clustering:
    """Documents in clusters.

    Attributes
    ----------
    labels : int64 array (n,)
        Cluster of each document.
    centroids : float64 array (k, terms)
        Arithmetic means of L1-normalised documents. (Medians, which would minimise the distance, are nearly
        all zero for sparse text, and collapse.)
    distance : float
        Mean distance of a document from its centroid, 0 to 1.
    """

    labels: NDArray[np.int64]
    centroids: Matrix
    distance: float


def jaccard_kmeans(weights: Matrix, clusters: int, *, seed: int, starts: int = STARTS) -> Clustering:
    """The best of several runs of k-means under the weighted Jaccard distance.

    Parameters
    ----------
    weights : float64 array (n, terms)
        Term weights >= 0, for example of `ContextGraphVectorizer`.
    clusters : int
        k, from 1 to n.
    seed : int
        The same seed gives the same clusters.
    starts : int
        How many runs.

    Raises
    ------
    InputError
        If k is not 1 to n, or a weight is negative or not finite.
    """
    if weights.ndim != 2 or not 1 <= clusters <= len(weights):
        raise InputError(f"{len(weights)} documents cannot be {clusters} clusters", code="bad-clusters")
    if not np.isfinite(weights).all() or (weights < 0).any():
        raise InputError("term weights are finite and not negative", code="bad-weights")
    totals = weights.sum(axis=1, keepdims=True)
    documents = weights / np.where(totals == 0, 1.0, totals)
    generator = np.random.default_rng(seed)
    runs = [_run(documents, clusters, generator) for _ in range(max(1, starts))]
    return min(runs, key=lambda run: run.distance)


def jaccard_distances(documents: Matrix, centroids: Matrix) -> Matrix:
    """1 - sum min / sum max of each document with each centroid, shape (n, k); rows sum to 1 or 0.

    With a the L1 distance and both rows summing to 1, sum min = 1 - a/2 and sum max = 1 + a/2.
    """
    distances = np.empty((len(documents), len(centroids)))
    step = max(1, _PAIRS_AT_ONCE // max(1, documents.shape[1]))
    for column, centroid in enumerate(centroids):
        for start in range(0, len(documents), step):
            part = documents[start : start + step]
            apart = np.abs(part - centroid).sum(axis=1)
            both = part.sum(axis=1) + centroid.sum()
            distances[start : start + step, column] = 2 * apart / np.where(both + apart == 0, 1.0, both + apart)
    return distances


def _run(documents: Matrix, clusters: int, generator: np.random.Generator) -> Clustering:
    centroids = _spread_out(documents, clusters, generator)
    labels = np.full(len(documents), -1, dtype=np.int64)
    distances = jaccard_distances(documents, centroids)
    for _ in range(ITERATIONS):
        nearest = distances.argmin(axis=1)
        if (nearest == labels).all():
            break
        labels = nearest
        for cluster in range(clusters):
            members = documents[labels == cluster]
            # An empty cluster takes over the document that fits worst.
            centroids[cluster] = members.mean(axis=0) if len(members) else documents[distances.min(axis=1).argmax()]
        distances = jaccard_distances(documents, centroids)
    return Clustering(labels=labels, centroids=centroids, distance=float(distances.min(axis=1).mean()))


def _spread_out(documents: Matrix, clusters: int, generator: np.random.Generator) -> Matrix:
    """Starting points far from each other: each next one drawn with odds of its squared distance."""
    chosen = [int(generator.integers(len(documents)))]
    nearest = jaccard_distances(documents, documents[chosen])[:, 0]
    while len(chosen) < clusters:
        odds = nearest**2
        total = odds.sum()
        if total > 0:
            chosen.append(int(generator.choice(len(documents), p=odds / total)))
        else:
            chosen.append(int(generator.integers(len(documents))))
        nearest = np.minimum(nearest, jaccard_distances(documents, documents[chosen[-1:]])[:, 0])
    return documents[chosen].copy()
