"""Text GCN, the paper's benchmark: a graph of documents and words, two layers of graph convolution on it.

As its authors have it (Yao, Mao, Luo, AAAI 2019): documents are joined to their words by tf-idf, words to each other
by positive pointwise mutual information in windows of 20 words; nodes start as themselves; ReLU, dropout, softmax,
Adam. Central and not private: it sees all texts, those of the queries too. Other than theirs: the first layer is 64
wide, not 200, which was no better here; epochs are not ended early; words are cut by rank.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from comitia.core.extras import extra
from comitia.learning.logistic import log_softmax
from comitia.text.terms import tokenize

FloatArray = NDArray[np.float64]
Words = NDArray[np.int64]
"""A document as the numbers of its words, in their order."""

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

    most_words: int = 6000
    hidden: int = 64
    epochs: int = 200
    rate: float = 0.02
    dropout: float = 0.5


def words_of(texts: Sequence[str]) -> list[Words]:
    """Texts as numbers of words; a word has the same number in all of them."""
    number: dict[str, int] = {}
    return [
        np.array([number.setdefault(word, len(number)) for word in tokenize(text)], dtype=np.int64) for text in texts
    ]


def text_gcn(
    documents: Sequence[Words],
    labels: NDArray[np.int64],
    queries: Sequence[Words],
    classes: int,
    generator: np.random.Generator,
    settings: Settings | None = None,
) -> FloatArray:
    """Log-probabilities of the queries, shape (queries, C). Documents and queries are numbered together."""
    settings = settings or Settings()
    everything = [*documents, *queries]
    graph = _graph(everything, settings.most_words)
    scores = _train(graph, labels, classes, generator, settings)
    return log_softmax(scores[len(documents) : len(everything)])


def _graph(documents: Sequence[Words], most_words: int) -> Any:
    """The normalised adjacency matrix D^-1/2 (A + I) D^-1/2, documents first; scipy CSR, float32."""
    sparse = extra("scipy.sparse")
    counts = _occurrences(documents, 1 + max((int(words.max()) for words in documents if words.size), default=0))
    frequency = counts.getnnz(axis=0)
    kept = np.sort(np.argsort(-frequency, kind="stable")[:most_words])
    kept = kept[frequency[kept] > 0]
    weights = counts[:, kept].multiply(np.log(len(documents) / frequency[kept])).tocsr()
    place = np.full(len(frequency), -1)
    place[kept] = np.arange(len(kept))
    known = [placed[placed >= 0] for placed in (place[words] for words in documents)]
    adjacency = sparse.bmat([[None, weights], [weights.T, _mutual_information(known, len(kept))]])
    adjacency = adjacency.tocsr() + sparse.identity(len(documents) + len(kept))
    degree = sparse.diags(1.0 / np.sqrt(np.asarray(adjacency.sum(axis=1)).ravel()))
    return (degree @ adjacency @ degree).astype(np.float32)


def _mutual_information(documents: Sequence[Words], size: int) -> Any:
    """Positive pointwise mutual information of words over all windows; scipy CSR, symmetric."""
    windows = [
        words[start : start + WINDOW]
        for words in documents
        for start in range(0, max(1, len(words) - WINDOW + 1), WINDOW // 2)
    ]
    seen = _occurrences(windows, size)
    seen.data[:] = 1.0
    pairs = (seen.T @ seen).tocoo()
    single = seen.getnnz(axis=0)
    information = np.log(pairs.data * len(windows) / (single[pairs.row].astype(np.float64) * single[pairs.col]))
    # A pair seen once says little and makes most of the edges.
    kept = (pairs.row != pairs.col) & (information > 0) & (pairs.data > 1)
    return extra("scipy.sparse").csr_matrix((information[kept], (pairs.row[kept], pairs.col[kept])), shape=(size, size))


def _occurrences(documents: Sequence[Words], size: int) -> Any:
    """How often each word occurs in each document; scipy CSR (documents, size)."""
    columns = np.concatenate([np.zeros(0, dtype=np.int64), *documents])
    starts = np.cumsum([0, *map(len, documents)])
    counts = extra("scipy.sparse").csr_matrix((np.ones(len(columns)), columns, starts), shape=(len(documents), size))
    counts.sum_duplicates()
    return counts


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
    # The loss sees the known nodes alone: the second layer need not be worked out for the others.
    to_known = graph[:known]
    from_known = to_known.T.tocsr()
    scale = np.float32(1 / (1 - settings.dropout))
    for _ in range(settings.epochs):
        before = graph @ first
        passed = (generator.random(before.shape, dtype=np.float32) >= settings.dropout) * (before > 0) * scale
        spread = to_known @ (before * passed)
        residual = ((np.exp(log_softmax(spread @ second)) - target) / known).astype(np.float32)
        back = (from_known @ residual) @ second.T * passed
        adams[1].step(spread.T @ residual)
        adams[0].step(graph @ back)
    return np.asarray(graph @ np.maximum(graph @ first, 0.0) @ second, dtype=np.float64)


class _Adam:
    """Adam on one array of weights, which it changes in place."""

    def __init__(self, weights: NDArray[np.float32], rate: float) -> None:
        self._weights, self._rate, self._steps = weights, rate, 0
        self._mean, self._square = np.zeros_like(weights), np.zeros_like(weights)

    def step(self, gradient: NDArray[np.float32]) -> None:
        self._steps += 1
        self._mean = FIRST_MOMENT * self._mean + (1 - FIRST_MOMENT) * gradient
        self._square = SECOND_MOMENT * self._square + (1 - SECOND_MOMENT) * gradient**2
        mean = self._mean / (1 - FIRST_MOMENT**self._steps)
        square = self._square / (1 - SECOND_MOMENT**self._steps)
        self._weights -= self._rate * mean / (np.sqrt(square) + TINY)


def _glorot(generator: np.random.Generator, rows: int, columns: int) -> NDArray[np.float32]:
    bound = (6 / (rows + columns)) ** 0.5
    return generator.uniform(-bound, bound, (rows, columns)).astype(np.float32)
