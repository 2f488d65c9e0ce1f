"""Figs. 9 to 12 measured anew: AUC and running time over sub-data sets and numbers of providers, beside baselines.

Source: IV.C, Fig. 9, Fig. 10, Fig. 11, Fig. 12

As in section IV.B the data set is sorted by category, cut into shards, and shards are recombined into sub-data sets,
then dealt to the providers. A sub-data set has only some categories: AUC is over these, on documents that nobody
trains on. Running time is CPU time for learning and for scoring the evaluated documents, from vectors and counted
words on; what the network and the ledger add is measured by `comitia bench request`.
"""

from __future__ import annotations

import csv
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import astuple, dataclass, fields
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from comitia.evaluation import baselines
from comitia.evaluation.datasets import Corpus
from comitia.evaluation.federation import federate
from comitia.evaluation.partitions import share_out
from comitia.evaluation.prepared import Prepared
from comitia.evaluation.text_gcn import Words, text_gcn, words_of
from comitia.learning.contract import Learner
from comitia.learning.metrics import macro_auc
from comitia.privacy.noise import Noise
from comitia.privacy.terms import PrivacyTerms
from comitia.text.terms import TermMatrix
from comitia.text.vectors import DOCUMENT_BITS

SHARDS: Final = 100
MOST_EVALUATED: Final = 1500
"""Evaluated documents at most: the more there are, the larger the benchmark's graph."""
UNIT: Final = float(1 << DOCUMENT_BITS)
"""Length of a document's term weights."""
PUBLIC_ONLY, COMITIA, LITERAL = "public only", "comitia", baselines.LITERAL
CENTRAL, BOOSTED, GCN = "logistic regression (central)", "LightGBM (central)", "Text GCN (central)"
METHODS: Final = (COMITIA, PUBLIC_ONLY, LITERAL, CENTRAL, BOOSTED, GCN)
PACKAGES: Final = {
    LITERAL: ("lightgbm", "sklearn"),
    CENTRAL: ("sklearn", "scipy"),
    BOOSTED: ("lightgbm", "sklearn"),
    GCN: ("scipy",),
}
"""Of an extra, that a method needs."""

Scores = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is measured.

    Attributes
    ----------
    sizes : tuple of int
        Documents of a sub-data set, to a shard.
    providers : tuple of int
    epsilon, delta : str
    seeds : int
    methods : tuple of str
        Of `METHODS`.
    """

    sizes: tuple[int, ...] = (500, 1000, 2000, 4000)
    providers: tuple[int, ...] = (3, 6, 9)
    epsilon: str = "1"
    delta: str = "1e-5"
    seeds: int = 5
    methods: tuple[str, ...] = METHODS


@dataclass(frozen=True, slots=True)
class Point:
    """One measurement.

    Attributes
    ----------
    size, documents : int
        Documents that the sub-data set was to have, and that it has: shards are not cut.
    providers : int
        0 for what is central.
    cpu_s : float
        Of one learning and of all scores.
    """

    dataset: str
    method: str
    size: int
    documents: int
    providers: int
    seed: int
    auc: float
    cpu_s: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Material:
    """A data set with everything that is the same in all its sub-data sets.

    Attributes
    ----------
    prepared : Prepared
    weights, evaluated_weights : TermMatrix
        Weighted terms of the private and of the evaluated documents, of the codebook's vocabulary.
    words, evaluated_words : list of int array
        All their words, as Text GCN takes them.
    """

    prepared: Prepared
    weights: TermMatrix
    evaluated_weights: TermMatrix
    words: list[Words]
    evaluated_words: list[Words]

    @classmethod
    def of(cls, corpus: Corpus) -> Material:
        """Make all vectors and count all words, once."""
        prepared = Prepared.of(corpus)
        private = [document.text for document in corpus.private]
        evaluated = [document.text for document in corpus.evaluated]
        words = words_of([*private, *evaluated])
        return cls(
            prepared=prepared,
            weights=prepared.bare.document_weights(private),
            evaluated_weights=prepared.bare.document_weights(evaluated),
            words=words[: len(private)],
            evaluated_words=words[len(private) :],
        )


def measure(material: Material, plan: Plan, *, size: int, seed: int, learner: Learner, noise: Noise) -> list[Point]:
    """All methods on one sub-data set. Of one seed a smaller sub-data set is a part of a larger one."""
    subset = _Subset.draw(material, size, seed)
    return list(subset.points(plan, learner, noise))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Subset:
    """A sub-data set: rows of the private and of the evaluated documents."""

    material: Material
    size: int
    seed: int
    trained: NDArray[np.int64]
    queries: NDArray[np.int64]

    @classmethod
    def draw(cls, material: Material, size: int, seed: int) -> _Subset:
        prepared, generator = material.prepared, np.random.Generator(np.random.PCG64(seed))
        shards = np.array_split(np.argsort(prepared.private_labels, kind="stable"), SHARDS)
        number = max(1, min(SHARDS, round(size * SHARDS / len(prepared.private_labels))))
        trained = np.sort(np.concatenate([shards[shard] for shard in generator.permutation(SHARDS)[:number]]))
        known = np.unique(prepared.private_labels[trained])
        queries = np.flatnonzero(np.isin(prepared.evaluated_labels, known))
        queries = generator.permutation(queries)[:MOST_EVALUATED]
        return cls(material=material, size=size, seed=seed, trained=trained, queries=queries)

    def points(self, plan: Plan, learner: Learner, noise: Noise) -> Iterator[Point]:
        generator = np.random.Generator(np.random.PCG64([self.seed, self.size]))
        truth = self._prepared.evaluated_labels[self.queries]

        def point(method: str, providers: int, scores: Callable[[], Scores]) -> Point:
            start = time.process_time()
            made = scores()
            cpu_s = time.process_time() - start
            return Point(
                dataset=self._prepared.corpus.name,
                method=method,
                size=self.size,
                documents=len(self.trained),
                providers=providers,
                seed=self.seed,
                auc=macro_auc(truth, made),
                cpu_s=cpu_s,
            )

        for providers in plan.providers:
            shares = self._shares(providers, generator)
            if COMITIA in plan.methods:
                yield point(COMITIA, len(shares), partial(self._shared, shares, plan, learner, noise))
            if LITERAL in plan.methods:
                yield point(LITERAL, len(shares), partial(self._literal, shares, plan, generator))
        central: dict[str, Callable[[], Scores]] = {
            PUBLIC_ONLY: partial(self._shared, [], plan, learner, noise),
            CENTRAL: self._logistic,
            BOOSTED: self._boosted,
            GCN: partial(self._text_gcn, generator),
        }
        for method, scores in central.items():
            if method in plan.methods:
                yield point(method, 0, scores)

    def _shares(self, providers: int, generator: np.random.Generator) -> list[NDArray[np.int64]]:
        documents = [self._prepared.corpus.private[row] for row in self.trained]
        return [
            self.trained[share] for share in share_out(documents, "sorted", providers=providers, generator=generator)
        ]

    def _shared(self, shares: Sequence[NDArray[np.int64]], plan: Plan, learner: Learner, noise: Noise) -> Scores:
        """The model of all releases; with names, without references. No share: public knowledge alone."""
        prepared, terms = self._prepared, PrivacyTerms.of(plan.epsilon, plan.delta)
        parts = [(prepared.private[rows], prepared.private_labels[rows]) for rows in shares]
        model, _ = federate(learner, prepared.named, parts, terms, noise, rounds=learner.rounds)
        return model.log_scores(prepared.evaluated[self.queries])

    def _literal(self, shares: Sequence[NDArray[np.int64]], plan: Plan, generator: np.random.Generator) -> Scores:
        prepared = self._prepared
        parts = [(prepared.unit(prepared.private[rows]), prepared.private_labels[rows]) for rows in shares]
        queries, epsilon = prepared.unit(prepared.evaluated[self.queries]), float(plan.epsilon)
        return baselines.paper_literal(parts, queries, self._classes, epsilon=epsilon, generator=generator)

    def _logistic(self) -> Scores:
        rows = baselines.sparse_matrix(self.material.weights.select(self.trained))
        queries = baselines.sparse_matrix(self.material.evaluated_weights.select(self.queries))
        return baselines.logistic_regression(rows / UNIT, self._labels, queries / UNIT, self._classes)

    def _boosted(self) -> Scores:
        prepared = self._prepared
        rows, queries = prepared.unit(prepared.private[self.trained]), prepared.unit(prepared.evaluated[self.queries])
        return baselines.boosted_trees(rows, self._labels, queries, self._classes)

    def _text_gcn(self, generator: np.random.Generator) -> Scores:
        documents = [self.material.words[row] for row in self.trained]
        queries = [self.material.evaluated_words[row] for row in self.queries]
        return text_gcn(documents, self._labels, queries, self._classes, generator)

    @property
    def _prepared(self) -> Prepared:
        return self.material.prepared

    @property
    def _labels(self) -> NDArray[np.int64]:
        return self._prepared.private_labels[self.trained]

    @property
    def _classes(self) -> int:
        return len(self._prepared.corpus.categories)


def write_points(path: Path, points: Sequence[Point]) -> None:
    """All points as CSV."""
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow([field.name for field in fields(Point)])
        rows.writerows(astuple(point) for point in points)
