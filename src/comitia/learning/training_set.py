"""What a learner may be trained on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from comitia.core.errors import InputError
from comitia.learning.local_model import MAX_ROWS
from comitia.text.codebook import Codebook


def declared_rows(noisy_rows: int) -> int:
    """The number of documents to declare: as the noised counts have it, which costs nothing more.

    The true number is private: replacing a document by one without a label of the codebook changes it.
    """
    return min(MAX_ROWS, max(1, noisy_rows))


def require_training_set(codebook: Codebook, vectors: NDArray[np.int32], labels: NDArray[np.int64]) -> None:
    """Refuse a training set that is empty, too large, or not made with this codebook.

    Source: III.D.1 step 1

    Raises
    ------
    InputError
        `no-documents`, `too-many-documents`, `bad-vectors` or `unknown-label`, naming the first row at fault.
    """
    if vectors.ndim != 2 or vectors.shape[1] != codebook.rank or vectors.dtype.kind != "i":
        raise InputError(
            f"vectors of shape {vectors.shape} and type {vectors.dtype} do not fit a codebook of rank {codebook.rank}",
            code="bad-vectors",
            hint="make them anew with this codebook",
        )
    if labels.shape != (len(vectors),) or labels.dtype.kind != "i":
        raise InputError(f"{labels.size} labels of type {labels.dtype} for {len(vectors)} vectors", code="bad-labels")
    if not len(vectors):
        raise InputError(
            "there are no documents to learn from", code="no-documents", hint="check columns and label filter"
        )
    if len(vectors) > MAX_ROWS:
        raise InputError(
            f"{len(vectors)} documents, at most {MAX_ROWS} are possible",
            code="too-many-documents",
            rows=len(vectors),
        )
    classes = len(codebook.categories)
    outside = np.flatnonzero((labels < 0) | (labels >= classes))
    if outside.size:
        row = int(outside[0])
        raise InputError(
            f"row {row} has label {int(labels[row])}, but the codebook has categories 0 to {classes - 1}",
            code="unknown-label",
            hint="leave out documents whose label the codebook does not know",
            row=row,
            label=int(labels[row]),
        )
    # Not trusted from elsewhere: the sensitivity, so the guarantee, rests on it.
    lengths = (vectors.astype(np.int64) ** 2).sum(axis=1)
    longest = int(lengths.argmax())
    if int(lengths[longest]) > codebook.norm_bound_squared:
        raise InputError(
            f"the vector of row {longest} is longer than 1",
            code="bad-vectors",
            hint="make it anew with this codebook",
            row=longest,
        )
