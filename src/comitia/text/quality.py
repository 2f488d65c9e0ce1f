"""How well the leaves of a codebook fit some documents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from comitia.text.codebook import NO_LEAF, Codebook
from comitia.text.documents import Document


@dataclass(frozen=True, slots=True, kw_only=True)
class LeafQuality:
    """How a codebook's leaves fit some documents. Shares are 0 to 1, None of nothing.

    Attributes
    ----------
    documents : int
    coverage : float or None
        Share of the documents that have a word the codebook knows.
    named : float or None
        Share of the covered documents that are nearest to a leaf with a name.
    labelled : int
        Documents whose label is a category of the codebook.
    purity : float or None
        Of the labelled documents nearest to a leaf with a name, the share that have its label.
    recall : float or None
        Of the labelled documents, the share that are nearest to their own category's leaf.
    sizes : tuple of int
        Documents nearest to each leaf.
    """

    documents: int
    coverage: float | None
    named: float | None
    labelled: int
    purity: float | None
    recall: float | None
    sizes: tuple[int, ...]


def assess(book: Codebook, documents: Sequence[Document]) -> LeafQuality:
    """Assign documents to their nearest leaves and count; labels that the codebook does not know are passed over."""
    leaves = book.leaves_of(book.vectorize([document.text for document in documents]))
    names = np.array([leaf.label for leaf in book.leaves] + [""], dtype=object)
    found = names[leaves]
    known = set(book.labels)
    labels = np.array([document.label if document.label in known else "" for document in documents], dtype=object)
    covered, labelled = leaves != NO_LEAF, labels != ""
    right = labelled & (found == labels)
    return LeafQuality(
        documents=len(documents),
        coverage=_share(int(covered.sum()), len(documents)),
        named=_share(int((found != "").sum()), int(covered.sum())),
        labelled=int(labelled.sum()),
        purity=_share(int(right.sum()), int((labelled & (found != "")).sum())),
        recall=_share(int(right.sum()), int(labelled.sum())),
        sizes=tuple(np.bincount(leaves[covered], minlength=len(book.leaves)).tolist()),
    )


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
