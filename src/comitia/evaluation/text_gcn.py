"""Text GCN, the paper's benchmark: a graph of documents and words, two layers of graph convolution on it.

As its authors have it (Yao, Mao, Luo, AAAI 2019): documents are joined to their words by tf-idf, words to each other
by positive pointwise mutual information in windows of 20 words; nodes start as themselves; ReLU, dropout, softmax,
Adam. Central and not private: it sees all texts, those of the queries too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from comitia.evaluation.extras import extra, sparse_matrix
from comitia.learning.logistic import log_softmax
from comitia.text.terms import count_terms, tokenize

FloatArray = NDArray[np.float64]

WINDOW = 20
FIRST_MOMENT, SECOND_MOMENT, TINY = 0.9, 0.999, 1e-8
"""Adam's constants."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What can be chosen.

    Attributes
    ----------
    most_words : int
        Words in the graph, the most frequent ones.
    hidden : int
        Width of the first layer.
    epochs : int
    rate, dropout : float
    """

    most_words: int = 3000
    hidden: int = 64
    epochs: int = 60
    rate: float = 0.02
    dropout: float = 0.5


def text_gcn(
    texts: Sequence[str],
    labels: NDArray[np.int64],
    queries: Sequence[str],
    classes: int,
    generator: np.random.Generator,
    settings: Settings | None = None,
) -> FloatArray:
    """Log-probabilities of the queries, shape (queries, C)."""
    settings = settings or Settings()
    everything = [*texts, *queries]
    graph = _graph(everything, settings.most_words)
    scores = _train(graph, labels, classes, generator, settings)
    return log_softmax(scores[len(texts) : len(everything)])


def _graph(texts: Sequence[str], most_words: int) -> Any:
    """The normalised adjacency matrix D^-1/2 (A + I) D^-1/2, documents first; scipy CSR."""
    sparse = extra("scipy.sparse")
    words = [tokenize(text) for text in texts]
    frequency = Counter(word for document in words for word in set(document))
    kept = sorted(word for word, _ in frequency.most_common(most_words))
    place = {word: column for column, word in enumerate(kept)}
    counts = count_terms(texts, place)
    idf = np.log(len(texts) / np.array([frequency[word] for word in kept]))
    weights = sparse_matrix(counts.with_values(counts.values * idf[counts.columns]))
    together = _mutual_information(
        [[place[word] for word in document if word in place] for document in words], len(kept)
    )
    adjacency = sparse.bmat([[None, weights], [weights.T, together]]).tocsr() + sparse.identity(len(texts) + len(kept))
    degree = 1.0 / np.sqrt(np.asarray(adjacency.sum(axis=1)).ravel())
    return sparse.diags(degree) @ adjacency @ sparse.diags(degree)


def _mutual_information(documents: Sequence[Sequence[int]], size: int) -> Any:
    """Positive pointwise mutual information of words over all windows; scipy CSR, symmetric."""
    sparse = extra("scipy.sparse")
    windows = [
        np.unique(document[start : start + WINDOW])
        for document in documents
        for start in range(0, max(1, len(document) - WINDOW + 1), WINDOW // 2)
    ]
    columns = np.concatenate([window.astype(np.int64) for window in windows])
    starts = np.cumsum([0, *map(len, windows)])
    seen = sparse.csr_matrix((np.ones(len(columns)), columns, starts), shape=(len(windows), size))
    pairs = (seen.T @ seen).tocoo()
    single = np.asarray(seen.sum(axis=0)).ravel()
    information = np.log(pairs.data * len(windows) / (single[pairs.row] * single[pairs.col]))
    # A pair seen once says little and makes most of the edges.
    kept = (pairs.row != pairs.col) & (information > 0) & (pairs.data > 1)
    return sparse.csr_matrix((information[kept], (pairs.row[kept], pairs.col[kept])), shape=(size, size))


def _train(
    graph: Any, labels: NDArray[np.int64], classes: int, generator: np.random.Generator, settings: Settings
) -> FloatArray:
    """Scores of all nodes after training on the first ones, whose labels are known; shape (nodes, C)."""
    nodes, known = graph.shape[0], len(labels)
    first = _glorot(generator, nodes, settings.hidden)
    second = _glorot(generator, settings.hidden, classes)
    target = np.zeros((known, classes))
    target[np.arange(known), labels] = 1.0
    adams = (_Adam(first, settings.rate), _Adam(second, settings.rate))
    for _ in range(settings.epochs):
        kept = generator.random((nodes, settings.hidden)) >= settings.dropout
        before = graph @ first
        hidden = np.maximum(before, 0.0) * kept / (1 - settings.dropout)
        spread = graph @ hidden
        residual = np.zeros((nodes, classes))
        residual[:known] = (np.exp(log_softmax((spread @ second)[:known])) - target) / known
        back = (graph @ residual) @ second.T * kept / (1 - settings.dropout) * (before > 0)
        adams[1].step(spread.T @ residual)
        adams[0].step(graph @ back)
    return np.asarray(graph @ np.maximum(graph @ first, 0.0) @ second)


class _Adam:
    """Adam on one array of weights, which it changes in place."""

    def __init__(self, weights: FloatArray, rate: float) -> None:
        self._weights, self._rate, self._steps = weights, rate, 0
        self._mean, self._square = np.zeros_like(weights), np.zeros_like(weights)

    def step(self, gradient: FloatArray) -> None:
        self._steps += 1
        self._mean = FIRST_MOMENT * self._mean + (1 - FIRST_MOMENT) * gradient
        self._square = SECOND_MOMENT * self._square + (1 - SECOND_MOMENT) * gradient**2
        mean = self._mean / (1 - FIRST_MOMENT**self._steps)
        square = self._square / (1 - SECOND_MOMENT**self._steps)
        self._weights -= self._rate * mean / (np.sqrt(square) + TINY)


def _glorot(generator: np.random.Generator, rows: int, columns: int) -> FloatArray:
    bound = (6 / (rows + columns)) ** 0.5
    return generator.uniform(-bound, bound, (rows, columns))
