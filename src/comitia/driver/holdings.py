"""What a provider trains on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from comitia.privacy.terms import Unit


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Holdings:
    """What a provider trains on.

    vectors : int32 array (n, r)
        As `Codebook.vectorize` makes them.
    labels : int64 array (n,)
        Index into the codebook's categories.
    leaves : int64 array (m,)
        Leaf of every document that the provider has, labelled or not, -1 for none.
    version : bytes
        Digest of documents and codebook, 32 bytes: equal data have equal versions.
    unit : Unit
        What is protected: a record or a user.
    records_per_user : int
        Most documents of a user that were kept; 1 for unit record.
    kind : str
        What can be learnt from them: "classification" or "regression".
    clipped : int
        Values outside the target's public range.
    """

    vectors: NDArray[np.int32]
    labels: NDArray[np.int64]
    leaves: NDArray[np.int64]
    version: bytes
    unit: Unit
    records_per_user: int
    kind: str = "classification"
    clipped: int = 0
