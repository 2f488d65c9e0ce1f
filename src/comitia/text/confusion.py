"""Which leaf a document of each leaf is taken for, estimated from what is public."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from comitia.text.codebook import MEAN_BITS, NO_LEAF, Codebook
from comitia.text.leaves import NAME_COUNTS_AS

_RIGHT_BEFOREHAND = 5.0
"""So many documents of each leaf are taken for rightly placed before any is looked at: with few references a leaf is
trusted, since little is known against it. Chosen on 20 Newsgroups."""


def leaf_confusion(book: Codebook) -> NDArray[np.float64]:
    """Share of a leaf's documents that are nearest to each leaf.

    Every reference is placed as a stranger's document would be: its own leaf is taken as it would be without it.

    Returns
    -------
    float64 array (L, L)
        Rows sum to 1. A leaf without references counts as never confused; a reference whose category has no leaf,
        since no word of it is known, says nothing.
    """
    leaf_of = {leaf.label: number for number, leaf in enumerate(book.leaves) if leaf.label}
    counts = _RIGHT_BEFOREHAND * np.eye(len(book.leaves))
    unit, mean = float(1 << book.grid_bits), book.pool_mean / float(1 << MEAN_BITS)
    names = np.where(np.any(book.name_vectors, axis=1, keepdims=True), book.name_vectors / unit - mean, 0.0)
    own = np.array([leaf_of.get(book.labels[label], NO_LEAF) for label in book.reference_labels.tolist()], np.int64)
    placed = own != NO_LEAF
    if not placed.any():
        return np.eye(len(book.leaves))
    own, labels, references = own[placed], book.reference_labels[placed], book.references[placed] / unit - mean
    sums = NAME_COUNTS_AS * names
    np.add.at(sums, labels, references)
    prototypes = book.leaf_prototypes / np.maximum(np.linalg.norm(book.leaf_prototypes, axis=1, keepdims=True), 1)
    scores = references @ prototypes.T
    others = sums[labels] - references
    lengths = np.linalg.norm(others, axis=1)
    scores[np.arange(len(own)), own] = (references * others).sum(axis=1) / np.where(lengths == 0, 1.0, lengths)
    np.add.at(counts, (own, scores.argmax(axis=1)), 1.0)
    return np.asarray(counts / counts.sum(axis=1, keepdims=True))
