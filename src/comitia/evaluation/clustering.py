"""How well groups of documents agree with known labels: `comitia explore` on data whose answer is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from comitia.core.errors import InputError
from comitia.text.clustering import STARTS, Distance
from comitia.text.documents import Document
from comitia.text.groups import group_documents


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """Agreement of two ways to group the same documents, each 0 (none) to 1 (the same groups).

    Attributes
    ----------
    nmi : float
        Mutual information over the mean of the two entropies.
    ari : float
        Rand index, corrected for chance; below 0 where it is worse than chance.
    purity : float
        Share of documents that have the commonest label of their group.
    """

    nmi: float
    ari: float
    purity: float


def agreement(groups: ArrayLike, labels: ArrayLike) -> Agreement:
    """How well `groups` (n,) agree with `labels` (n,), n at least 1."""
    table = _contingency(groups, labels)
    n = table.sum()
    rows, columns = table.sum(axis=1), table.sum(axis=0)
    filled = table > 0
    expected = np.outer(rows, columns) / n
    information = float((table[filled] / n * np.log(table[filled] / expected[filled])).sum())
    entropies = _entropy(rows) + _entropy(columns)
    together, chance_rows, chance_columns = _pairs(table), _pairs(rows), _pairs(columns)
    chance = chance_rows * chance_columns / max(1.0, n * (n - 1) / 2)
    most = (chance_rows + chance_columns) / 2
    return Agreement(
        nmi=2 * information / entropies if entropies > 0 else 1.0,
        ari=(together - chance) / (most - chance) if most != chance else 1.0,
        purity=float(table.max(axis=1).sum() / n),
    )


def measure_grouping(
    documents: Sequence[Document], *, distance: Distance, seed: int, starts: int = STARTS
) -> Agreement:
    """Group labelled documents into as many groups as there are labels, without looking at the labels.

    Documents without a word that counts are a group of their own.

    Raises
    ------
    InputError
        If a document has no label.
    """
    if any(document.label is None for document in documents):
        raise InputError("grouping is measured on labelled documents", code="no-label")
    labels = [document.label or "" for document in documents]
    texts = [document.text for document in documents]
    found = group_documents(texts, len(set(labels)), seed=seed, distance=distance, starts=starts)
    return agreement(found.of_document, np.asarray(labels))


def _contingency(left: ArrayLike, right: ArrayLike) -> NDArray[np.float64]:
    _, rows = np.unique(np.asarray(left), return_inverse=True)
    _, columns = np.unique(np.asarray(right), return_inverse=True)
    width = int(columns.max()) + 1
    counted = np.bincount(rows * width + columns, minlength=(int(rows.max()) + 1) * width)
    return counted.reshape(-1, width).astype(np.float64)


def _entropy(counts: NDArray[np.float64]) -> float:
    shares = counts[counts > 0] / counts.sum()
    return float(-(shares * np.log(shares)).sum())


def _pairs(counts: NDArray[np.float64]) -> float:
    return float((counts * (counts - 1) / 2).sum())
