"""Key terms of groups of documents: the words that tell a group from all the others."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from comitia.text.terms import TermMatrix


def key_terms(
    weights: TermMatrix, groups: NDArray[np.int64], count: int, words: Sequence[str], *, most: int
) -> list[dict[str, float]]:
    """For each group the words whose mean weight in it exceeds most what all documents have.

    Parameters
    ----------
    weights : TermMatrix
        Term weights >= 0 of the documents.
    groups : int64 array (documents,)
        Group of each document, 0 to `count` less 1; negative for none.
    words : sequence of str
        The word of each column.
    most : int
        How many key terms a group has at most; fewer where fewer exceed the mean.

    Returns
    -------
    list of dict of str to float
        Word -> by how much, the strongest first.
    """
    width = weights.width
    owner = groups[weights.row_of_entry]
    own = owner >= 0
    sums = np.bincount(owner[own] * width + weights.columns[own], weights.values[own], minlength=count * width).reshape(
        count, width
    )
    sizes = np.bincount(groups[groups >= 0], minlength=count)
    excess = sums / np.maximum(sizes, 1)[:, None] - sums.sum(axis=0) / max(1, int(sizes.sum()))
    strongest = np.argsort(-excess, axis=1, kind="stable")[:, :most]
    return [
        {words[column]: float(row[column]) for column in columns if row[column] > 0}
        for row, columns in zip(excess, strongest, strict=True)
    ]
