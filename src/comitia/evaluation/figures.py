"""Figs. 9 to 12 measured anew: AUC and running time over sub-data sets and numbers of providers, beside baselines.

Source: IV.C, Fig. 9, Fig. 10, Fig. 11, Fig. 12

As in section IV.B the data set is sorted by category, cut into shards, and shards are recombined into sub-data sets,
then dealt to the providers. A sub-data set has only some categories: AUC is over these, on documents that nobody
trains on. Running time is CPU time for learning and for scoring the evaluated documents, from vectors on; what the
network and the ledger add is measured by `comitia bench request`.
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
from comitia.evaluation.extras import sparse_matrix
from comitia.evaluation.federation import federate
from comitia.evaluation.learning import Prepared
from comitia.evaluation.partitions import share_out
from comitia.evaluation.text_gcn import text_gcn
from comitia.learning.contract import Learner
from comitia.learning.metrics import macro_auc
from comitia.privacy.noise import Noise
from comitia.privacy.terms import PrivacyTerms

SHARDS: Final = 100
MOST_EVALUATED: Final = 1500
"""Evaluated documents at most: the more there are, the larger the benchmark's graph."""
PUBLIC_ONLY, COMITIA, LITERAL = "public only", "comitia", baselines.LITERAL
CENTRAL, BOOSTED, GCN = "logistic regression (central)", "LightGBM (central)", "Text GCN (central)"
METHODS: Final = (COMITIA, PUBLIC_ONLY, LITERAL, CENTRAL, BOOSTED, GCN)

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
    """One measurement; `providers` is 0 for what is central."""

    dataset: str
    method: str
    documents: int
    providers: int
    seed: int
    auc: float
    cpu_s: float


def measure(prepared: Prepared, plan: Plan, *, learner: Learner, noise: Noise) -> Iterator[Point]:
    """All points of one data set, as they are measured."""
    for seed in range(plan.seeds):
        for size in plan.sizes:
            generator = np.random.Generator(np.random.PCG64([seed, size]))
            yield from _Subset.draw(prepared, size, generator).points(plan, seed, generator, learner, noise)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Subset:
    """A sub-data set: rows of the private and of the evaluated documents."""

    prepared: Prepared
    trained: NDArray[np.int64]
    queries: NDArray[np.int64]

    @classmethod
    def draw(cls, prepared: Prepared, size: int, generator: np.random.Generator) -> _Subset:
        order = np.argsort(prepared.private_labels, kind="stable")
        shards = np.array_split(order, SHARDS)
        number = max(1, min(SHARDS, round(size * SHARDS / len(order))))
        trained = np.sort(np.concatenate([shards[shard] for shard in generator.permutation(SHARDS)[:number]]))
        known = np.unique(prepared.private_labels[trained])
        queries = np.flatnonzero(np.isin(prepared.evaluated_labels, known))
        return cls(prepared=prepared, trained=trained, queries=generator.permutation(queries)[:MOST_EVALUATED])

    def points(
        self, plan: Plan, seed: int, generator: np.random.Generator, learner: Learner, noise: Noise
    ) -> Iterator[Point]:
        truth = self.prepared.evaluated_labels[self.queries]

        def point(method: str, providers: int, scores: Callable[[], Scores]) -> Point:
            start = time.process_time()
            made = scores()
            cpu_s = time.process_time() - start
            auc = macro_auc(truth, made)
            return Point(self.prepared.corpus.name, method, len(self.trained), providers, seed, auc, cpu_s)

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
        documents = [self.prepared.corpus.private[row] for row in self.trained]
        return [
            self.trained[share] for share in share_out(documents, "sorted", providers=providers, generator=generator)
        ]

    def _shared(self, shares: Sequence[NDArray[np.int64]], plan: Plan, learner: Learner, noise: Noise) -> Scores:
        """The model of all releases; with names, without references. No share: public knowledge alone."""
        prepared, terms = self.prepared, PrivacyTerms.of(plan.epsilon, plan.delta)
        codebook = prepared.named
        parts = [(prepared.private[rows], prepared.private_labels[rows]) for rows in shares]
        model, _ = federate(learner, codebook, parts, terms, noise, rounds=learner.rounds)
        return model.log_scores(prepared.evaluated[self.queries])

    def _literal(self, shares: Sequence[NDArray[np.int64]], plan: Plan, generator: np.random.Generator) -> Scores:
        prepared = self.prepared
        parts = [(prepared.unit(prepared.private[rows]), prepared.private_labels[rows]) for rows in shares]
        queries, epsilon = prepared.unit(prepared.evaluated[self.queries]), float(plan.epsilon)
        return baselines.paper_literal(parts, queries, self._classes, epsilon=epsilon, generator=generator)

    def _logistic(self) -> Scores:
        book = self.prepared.bare
        rows, queries = (sparse_matrix(book.document_weights(texts)) / 2.0**15 for texts in self._texts)
        return baselines.logistic_regression(rows, self._labels, queries, self._classes)

    def _boosted(self) -> Scores:
        rows = self.prepared.unit(self.prepared.private[self.trained])
        queries = self.prepared.unit(self.prepared.evaluated[self.queries])
        return baselines.boosted_trees(rows, self._labels, queries, self._classes)

    def _text_gcn(self, generator: np.random.Generator) -> Scores:
        texts, queries = self._texts
        return text_gcn(texts, self._labels, queries, self._classes, generator)

    @property
    def _texts(self) -> tuple[list[str], list[str]]:
        corpus = self.prepared.corpus
        return [corpus.private[row].text for row in self.trained], [corpus.evaluated[row].text for row in self.queries]

    @property
    def _labels(self) -> NDArray[np.int64]:
        return self.prepared.private_labels[self.trained]

    @property
    def _classes(self) -> int:
        return len(self.prepared.corpus.categories)


def write_points(path: Path, points: Sequence[Point]) -> None:
    """All points as CSV."""
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow([field.name for field in fields(Point)])
        rows.writerows(astuple(point) for point in points)
