"""The global model M: answers queries, alone and offline, with the codebook it was learnt on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from comitia.core import codec
from comitia.core.errors import DamagedError, InputError, ProtocolError
from comitia.learning import logistic
from comitia.learning.heads import Head, read_head
from comitia.learning.linear import Linear, prototype_scores
from comitia.learning.posterior import POSTERIOR_BITS, Posterior
from comitia.text.codebook import EDGE_UNIT, Codebook

FloatArray = NDArray[np.float64]

MODEL_LIMIT = 1 << 24
"""Most bytes a model may have."""
EVEN_SHARE = 0.25
"""This part of all documents counts as spread evenly over the categories: who asks may have others than who trained."""
SHARED_BALANCE, NUMBER_BALANCE = (1.25, 0.6), (0.7, 0.0)
"""Sharpness of P and weight of J: of prototypes that rest on releases, and of bins of a number."""
INVERSE_PENALTY = 3.0
NAME_ROW_WEIGHT = 0.5
HEAVIEST_SHARED_ROW = 30.0
"""Weights of the rows of the regression: a reference counts 1, a name .5, a shared mean what it is worth, up to 30."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Record:
    """The bytes of a model: everything that the accepted releases have decided.

    Attributes
    ----------
    learner, codebook
        Name and digest.
    classes, rank
        Shape of the arrays.
    means, shared
        Little-endian 32-bit integers, row by row; see `Posterior`.
    evidence_micro, counts
        See `Posterior`.
    head, head_bytes
        Tag and canonical bytes of the head; both empty for none.
    """

    learner: str
    codebook: bytes
    classes: int
    rank: int
    means: bytes
    shared: bytes
    evidence_micro: tuple[int, ...]
    counts: tuple[int, ...]
    head: str
    head_bytes: bytes


@dataclass(frozen=True, kw_only=True, eq=False)
class GlobalModel:
    """M, with scikit-learn's `predict` and `predict_proba`.

    Cf. III.D.1

    A document z is scored by P + J, weighted as `balance` says. P is the log-softmax of its `prototype_scores`, or of
    what a head makes of them (`comitia.learning.heads`), and of how common the categories are (`log_common`). J is a
    logistic regression on references, names and shared means. J and all floats are worked out by whoever asks; the
    bytes, and so the digest, hold the integers of posterior and head alone.

    Attributes
    ----------
    codebook : Codebook
        Not part of the bytes, but its digest is.
    learner : str
        Who combined it.
    posterior : Posterior
        What is believed of each category.
    head : Head or None
        What a learner has made of it.
    """

    codebook: Codebook
    learner: str
    posterior: Posterior
    head: Head | None = None

    def to_bytes(self) -> bytes:
        """The canonical bytes."""
        return codec.encode(
            _Record(
                learner=self.learner,
                codebook=self.codebook.digest,
                classes=len(self.codebook.categories),
                rank=self.codebook.rank,
                means=self.posterior.means.astype("<i4").tobytes(),
                shared=self.posterior.shared.astype("<i4").tobytes(),
                evidence_micro=tuple(self.posterior.evidence_micro.tolist()),
                counts=tuple(self.posterior.counts.tolist()),
                head=self.head.kind if self.head else "",
                head_bytes=self.head.to_bytes() if self.head else b"",
            )
        )

    @classmethod
    def from_bytes(cls, data: bytes, codebook: Codebook) -> GlobalModel:
        """Read a model that was learnt on `codebook`.

        Raises
        ------
        DamagedError
            The bytes are not canonical, or belong to another codebook, or do not fit it.
        """
        try:
            record = codec.decode(_Record, data, limit=MODEL_LIMIT)
            head = read_head(record.head, record.head_bytes, codebook, limit=MODEL_LIMIT)
        except ProtocolError as error:
            raise DamagedError(f"the model is damaged: {error.message}", code="damaged-model") from error
        shape = (len(codebook.categories), codebook.rank)
        if record.codebook != codebook.digest:
            raise DamagedError(
                "the model was learnt on another codebook",
                code="foreign-codebook",
                hint="open it with the codebook that came with it",
                expected=record.codebook,
                given=codebook.digest,
            )
        size = 4 * shape[0] * shape[1]
        if (
            (record.classes, record.rank) != shape
            or len(record.means) != size
            or len(record.shared) != size
            or {len(record.evidence_micro), len(record.counts)} != {shape[0]}
            or not all(0 <= number < 1 << 62 for number in (*record.evidence_micro, *record.counts))
        ):
            raise DamagedError("the model does not fit its codebook", code="damaged-model")
        return cls(
            codebook=codebook,
            learner=record.learner,
            posterior=Posterior(
                means=_read(record.means, shape),
                shared=_read(record.shared, shape),
                evidence_micro=np.array(record.evidence_micro, dtype=np.int64),
                counts=np.array(record.counts, dtype=np.int64),
            ),
            head=head,
        )

    @property
    def digest(self) -> bytes:
        """H(M): SHA-256 of the canonical bytes."""
        return codec.digest(self.to_bytes())

    @cached_property
    def classes_(self) -> NDArray[np.str_]:
        """Label ids, in the order of the columns of `predict_proba`."""
        return np.array([category.label for category in self.codebook.categories])

    def predict(self, queries: Sequence[str] | NDArray[np.int32]) -> NDArray[np.str_]:
        """The label id of each query; arguments and errors as `log_scores`."""
        return np.asarray(self.classes_[self.log_scores(queries).argmax(axis=1)])

    def predict_proba(self, queries: Sequence[str] | NDArray[np.int32]) -> FloatArray:
        """How much each query belongs to each category, shape (n, C), rows sum to 1; as `log_scores`."""
        return logistic.softmax(self.log_scores(queries))

    def predict_values(self, queries: Sequence[str] | NDArray[np.int32]) -> FloatArray:
        """The predicted number for each query, shape (n,): the median over the bins; as `log_scores`.

        Raises
        ------
        InputError
            `no-target`: the codebook is one for classification.
        """
        edges = np.array(self.codebook.edges) / float(EDGE_UNIT)
        if not edges.size:
            raise InputError("this model predicts categories, not numbers", code="no-target", hint="use predict")
        below = np.cumsum(self.predict_proba(queries), axis=1)
        middle = np.minimum((below < 0.5).sum(axis=1), len(edges) - 2)
        rows = np.arange(len(middle))
        before = np.where(middle > 0, below[rows, middle - 1], 0.0)
        share = (0.5 - before) / np.maximum(below[rows, middle] - before, 1e-12)
        return np.asarray(edges[middle] + np.clip(share, 0.0, 1.0) * (edges[middle + 1] - edges[middle]))

    def log_scores(self, queries: Sequence[str] | NDArray[np.int32]) -> FloatArray:
        """P + J: log-probabilities added up, shape (n, C); a category that J does not know has P alone.

        Parameters
        ----------
        queries : sequence of str, or int32 array of shape (n, r)
            Texts, or vectors as `Codebook.vectorize` makes them. A text without a known term is as likely anything
            as public knowledge has it.

        Raises
        ------
        InputError
            A single text instead of a sequence, or vectors of another codebook.
        """
        vectors = self._vectors(queries)
        head = self.head or self.prototype_scores
        logits = head.logits(self.codebook, self.prototype_scores, vectors)
        sharpness, regression_weight = self.balance
        scores = logistic.log_softmax(sharpness * (logits + self.log_common))
        if self._regression is not None:
            known, weights, intercepts = self._regression
            unit = vectors / float(1 << self.codebook.grid_bits)
            scores[:, known] += regression_weight * logistic.log_softmax(unit @ weights.T + intercepts)
        return scores

    @property
    def balance(self) -> tuple[float, float]:
        """What P's exponents and J are multiplied with.

        Releases make the prototypes surer, and J, of a few rows, matter less. A head says roughly what the prototypes
        say: J makes up for it. The median of a number asks for probabilities that are right, not for an order.
        """
        if self.codebook.edges:
            return NUMBER_BALANCE
        return SHARED_BALANCE if self.head is None and self.posterior.counts.any() else (1.0, 1.0)

    @cached_property
    def log_common(self) -> FloatArray:
        """Logarithm of how common each category is, shape (C,): its share in the releases, a part spread evenly."""
        counts, classes = self.posterior.counts, len(self.codebook.categories)
        if not counts.any():
            return np.zeros(classes)
        shares = counts.astype(np.float64) / float(counts.sum())
        return np.log((1 - EVEN_SHARE) * shares + EVEN_SHARE / classes)

    @cached_property
    def prototype_scores(self) -> Linear:
        """P without its log-softmax, and what a head rests on."""
        return prototype_scores(self.codebook, self.posterior)

    @property
    def reference_map(self) -> tuple[NDArray[np.intp], FloatArray, FloatArray] | None:
        """J without its log-softmax: the K categories it knows, weights (K, r), intercepts (K,); None without a J."""
        return self._regression

    def _vectors(self, queries: Sequence[str] | NDArray[np.int32]) -> NDArray[np.int32]:
        if isinstance(queries, str):
            raise InputError("one text was given where a list of texts is expected", code="bad-queries")
        grid = queries if isinstance(queries, np.ndarray) and queries.dtype.kind == "i" else None
        if grid is None:
            grid = self.codebook.vectorize(list(queries))
        if grid.ndim != 2 or grid.shape[1] != self.codebook.rank:
            raise InputError(
                f"vectors of shape {grid.shape} do not fit a codebook of rank {self.codebook.rank}",
                code="bad-vectors",
            )
        return np.asarray(grid)

    @cached_property
    def _regression(self) -> tuple[NDArray[np.intp], FloatArray, FloatArray] | None:
        """J: the categories it knows, weights (known, r) and intercepts (known,); None if it knows fewer than two."""
        one = float(1 << self.codebook.grid_bits)
        named = np.flatnonzero(self.codebook.name_vectors.any(axis=1))
        told = np.flatnonzero(self.posterior.evidence_micro)
        rows = np.vstack(
            [
                self.codebook.references / one,
                self.codebook.name_vectors[named] / one,
                self.posterior.shared[told] / float(1 << POSTERIOR_BITS),
            ]
        )
        labels = np.concatenate([self.codebook.reference_labels, named, told])
        worth = np.minimum(self.posterior.evidence_micro[told] / 1e6, HEAVIEST_SHARED_ROW)
        weights = np.concatenate([np.ones(len(self.codebook.references)), np.full(len(named), NAME_ROW_WEIGHT), worth])
        known, columns = np.unique(labels, return_inverse=True)
        if len(known) < 2:
            return None
        fitted = logistic.fit(rows, columns, weights, classes=len(known), inverse_penalty=INVERSE_PENALTY)
        return known, *fitted


def _read(data: bytes, shape: tuple[int, int]) -> NDArray[np.int32]:
    return np.frombuffer(data, dtype="<i4").astype(np.int32).reshape(shape)
