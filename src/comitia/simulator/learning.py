"""The learning of simulated worlds: releases are in stock, and what all nodes would compute alike is computed once.

All of it is made of integers, or of single floating-point operations, so that a seed gives the same bytes on every
machine.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar, Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from comitia.consensus.score_sheet import Score
from comitia.core.codec import encode
from comitia.core.ids import NodeId
from comitia.driver.workbench import Workbench
from comitia.learning.contract import Learner
from comitia.learning.global_model import GlobalModel
from comitia.learning.kept_back import KeptBack
from comitia.learning.local_model import LocalModel
from comitia.learning.posterior import POSTERIOR_BITS, Posterior, posterior
from comitia.learning.prototype import Prototype
from comitia.learning.registry import learner
from comitia.learning.softmax import Softmax
from comitia.ledger.session import Session, release_terms
from comitia.privacy.noise import Noise, SeededNoise
from comitia.privacy.released import Released
from comitia.privacy.terms import PrivacyTerms
from comitia.roles.messages import References, Reveal
from comitia.text.codebook import Codebook

V = TypeVar("V")

POOL: Final = 4
"""Releases of a kind that a provider has: a session, and a round, takes the next one, under a fresh nonce."""

KEPT: Final = 1 << 14
"""After so many answers everything remembered of a kind is forgotten, so that long runs do not grow."""


def _once(known: dict[Hashable, V], key: Hashable, make: Callable[[], V]) -> V:
    if key not in known:
        if len(known) >= KEPT:
            known.clear()
        known[key] = make()
    return known[key]


class SimulatedNoise(SeededNoise):
    """Seeded noise whose receipts say trusted, as members would refuse them otherwise; it protects nothing real."""

    trusted = True


class Stock:
    """One provider's releases of one learner, each made when it is first asked for by anybody in this process.

    Parameters
    ----------
    node : whose they are.
    learner : name of the learner.
    """

    made: ClassVar[dict[Hashable, Released[LocalModel]]] = {}

    def __init__(self, node: NodeId, learner: str) -> None:
        self._place = (node, learner)
        self._taken = 0

    def take(self, terms: PrivacyTerms, make: Callable[[Noise], Released[LocalModel]]) -> Released[LocalModel]:
        """The next one at these terms."""
        self._taken += 1
        number = self._taken % POOL
        seed = f"{self._place} {number}".encode()
        return _once(self.made, (*self._place, terms, number), lambda: make(SimulatedNoise(seed)))


class ReadyPrototype(Prototype):
    """The one-shot learner, with the releases of one provider in stock; all else is its own."""

    def __init__(self, node: NodeId) -> None:
        self._stock = Stock(node, self.name)

    def train(
        self,
        codebook: Codebook,
        vectors: NDArray[np.int32],
        labels: NDArray[np.int64],
        terms: PrivacyTerms,
        noise: Noise,
        given: GlobalModel | None = None,
    ) -> Released[LocalModel]:
        """The next release in stock."""
        train = super().train
        return self._stock.take(terms, lambda seeded: train(codebook, vectors, labels, terms, seeded))


class SynthesisedPrototype(ReadyPrototype):
    """A free rider's: what documents at the public means would add up to, with noise as it should be."""

    def __init__(self, node: NodeId) -> None:
        self._stock = Stock(node, "synthesised")

    def train(
        self,
        codebook: Codebook,
        vectors: NDArray[np.int32],
        labels: NDArray[np.int64],
        terms: PrivacyTerms,
        noise: Noise,
        given: GlobalModel | None = None,
    ) -> Released[LocalModel]:
        """Claims ten times as many documents as it has, so that there is enough to tell by."""
        claimed = np.tile(labels, 10)
        public = (posterior(codebook, ()).means >> (POSTERIOR_BITS - codebook.grid_bits)).astype(np.int32)
        return super().train(codebook, public[claimed], claimed, terms, noise)


class QuietPrototype(ReadyPrototype):
    """Spends half of what was asked for, with a receipt that says so."""

    def train(
        self,
        codebook: Codebook,
        vectors: NDArray[np.int32],
        labels: NDArray[np.int64],
        terms: PrivacyTerms,
        noise: Noise,
        given: GlobalModel | None = None,
    ) -> Released[LocalModel]:
        """The next release in stock, at half the epsilon."""
        halved = replace(terms, epsilon_micro=terms.epsilon_micro // 2)
        return super().train(codebook, vectors, labels, halved, noise)


class ReadySoftmax(Softmax):
    """The learner with rounds. A provider sends the gradient at a model that knows nothing, whatever it was given."""

    def __init__(self, node: NodeId) -> None:
        self._stock = Stock(node, self.name)

    def statistic(
        self,
        codebook: Codebook,
        vectors: NDArray[np.int32],
        labels: NDArray[np.int64],
        given: GlobalModel | None = None,
    ) -> NDArray[np.int64]:
        """At equal probabilities, so that no exponential differs from machine to machine."""
        categories = len(codebook.categories)
        residuals = np.eye(categories, dtype=np.int64)[labels] * categories - 1
        gradient = np.zeros(self.shape(codebook), dtype=np.int64)
        gradient[:, :-1] = residuals.T @ vectors.astype(np.int64) // categories
        gradient[0, -1] = len(labels) << codebook.grid_bits
        return gradient

    def train(
        self,
        codebook: Codebook,
        vectors: NDArray[np.int32],
        labels: NDArray[np.int64],
        terms: PrivacyTerms,
        noise: Noise,
        given: GlobalModel | None = None,
    ) -> Released[LocalModel]:
        """The next release in stock."""
        train = super().train
        return self._stock.take(terms, lambda seeded: train(codebook, vectors, labels, terms, seeded))


@dataclass(frozen=True, kw_only=True, eq=False)
class SummedModel(GlobalModel):
    """Stands for M: as exact, as sensitive to each accepted release, and fast. It answers nothing.

    Attributes
    ----------
    total : int64 array
        Sum of the accepted releases.
    """

    total: NDArray[np.int64]

    def to_bytes(self) -> bytes:
        return self._bytes

    @cached_property
    def _bytes(self) -> bytes:
        return encode([self.learner, self.codebook.digest, self.total.ravel().tolist()])


class RememberingBench(Workbench):
    """Reads, judges and combines the same bytes once for all nodes of a process: all of it is pure.

    Parameters
    ----------
    node : a provider, whose learners have its releases in stock; None for who trains nothing.
    sums : how it makes its class sums.
    """

    read_before: ClassVar[dict[Hashable, Released[LocalModel] | None]] = {}
    opened_before: ClassVar[dict[Hashable, KeptBack | None]] = {}
    scored_before: ClassVar[dict[Hashable, Score]] = {}
    combined_before: ClassVar[dict[Hashable, GlobalModel]] = {}

    def __init__(self, node: NodeId | None = None, *, sums: type[ReadyPrototype] = ReadyPrototype) -> None:
        own = () if node is None else (sums(node), ReadySoftmax(node))
        self._own: dict[str, Learner] = {each.name: each for each in own}

    def learner(self, name: str) -> Learner:
        return self._own.get(name) or super().learner(name)

    def read(self, session: Session, codebook: Codebook, reveal: Reveal) -> Released[LocalModel] | None:
        read = super().read
        key = (session.task.learner, reveal.release, release_terms(session))
        return _once(self.read_before, key, lambda: read(session, codebook, reveal))

    def read_references(self, codebook: Codebook, opened: References) -> KeptBack | None:
        read = super().read_references
        key = (codebook.digest, opened.documents)
        return _once(self.opened_before, key, lambda: _fixed(read(codebook, opened)))

    def score(
        self,
        name: str,
        codebook: Codebook,
        author: NodeId,
        release: Released[LocalModel],
        given: GlobalModel | None,
        kept_back: Mapping[NodeId, KeptBack],
    ) -> Score:
        score = super().score
        opened = tuple((k, kept.vectors.tobytes(), kept.labels.tobytes()) for k, kept in sorted(kept_back.items()))
        key = (name, author, release.receipt.digest, _bytes_of(given), opened)
        return _once(self.scored_before, key, lambda: score(name, codebook, author, release, given, kept_back))

    def combine(
        self, name: str, codebook: Codebook, accepted: Sequence[Released[LocalModel]], given: GlobalModel | None
    ) -> GlobalModel:
        """M where there are rounds, since the next one goes on from it; else the sum of the accepted releases."""
        combine = super().combine if self.learner(name).rounds > 1 else _summed
        key = (name, tuple(release.receipt.digest for release in accepted), _bytes_of(given))
        return _once(self.combined_before, key, lambda: combine(name, codebook, accepted, given))


def _fixed(kept: KeptBack | None) -> KeptBack | None:
    """What several nodes share, so that none of them can change it."""
    if kept is not None:
        kept.vectors.flags.writeable = kept.labels.flags.writeable = False
    return kept


def _bytes_of(model: GlobalModel | None) -> bytes:
    return b"" if model is None else model.to_bytes()


def _summed(
    name: str, codebook: Codebook, accepted: Sequence[Released[LocalModel]], given: GlobalModel | None
) -> GlobalModel:
    total = np.zeros(learner(name).shape(codebook), dtype=np.int64)
    for release in accepted:
        total += release.value.values
    nothing, none = np.zeros((0, 0), dtype=np.int32), np.zeros(0, dtype=np.int64)
    unknown = Posterior(means=nothing, shared=nothing, evidence_micro=none, counts=none)
    return SummedModel(codebook=codebook, learner=name, posterior=unknown, total=total)
