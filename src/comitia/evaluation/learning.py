"""What sharing is worth: AUC of public knowledge alone and of shared models, on documents nobody trained on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from comitia.core.errors import InputError
from comitia.evaluation.datasets import Corpus
from comitia.evaluation.federation import federate
from comitia.evaluation.paper_literal import train_literally
from comitia.evaluation.partitions import share_out
from comitia.learning.contract import Learner
from comitia.learning.metrics import auc_by_class
from comitia.learning.prototype import Prototype
from comitia.privacy.noise import Noise
from comitia.privacy.terms import PrivacyTerms
from comitia.text.build import BuildSettings, build_codebook
from comitia.text.categories import Category
from comitia.text.codebook import Codebook

HELD_OUT = 0.25
"""Share of the private documents that nobody trains on, where a corpus has no documents for evaluation of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One way to run the comparison.

    Attributes
    ----------
    partition : str
        As `share_out` takes it.
    providers : int
        Number of providers, unless the partition fixes it.
    epsilons : tuple of str
        Budgets, as people write them, for each provider.
    delta : str
    new : int
        Categories of which nothing is public: no name, no reference; drawn anew with each seed.
    references : int
        Labelled public documents of each other category.
    names : bool
        False hides the names of the other categories too.
    seeds : tuple of int
        One run each.
    rounds : int or None
        How often the providers train; None for as often as the learner needs.
    chain : bool
        Whether they train one after the other.
    """

    partition: str = "sorted"
    providers: int = 9
    epsilons: tuple[str, ...] = ("1",)
    delta: str = "1e-5"
    new: int = 0
    references: int = 0
    names: bool = True
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    rounds: int | None = None
    chain: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Areas:
    """Macro one-vs-rest AUC: over all categories, over the new ones (NaN if there are none), of the worst one."""

    overall: float
    new: float
    worst: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What one seed gave: public knowledge alone, and the model at each budget."""

    seed: int
    public_only: Areas
    shared: tuple[tuple[str, Areas], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """Mean and standard deviation over the seeds; `label` is "public only" or a budget."""

    label: str
    mean: Areas
    deviation: Areas


class Scorer(Protocol):
    """What answers queries."""

    def log_scores(self, queries: NDArray[np.int32], /) -> NDArray[np.float64]: ...


def run_learning(
    corpus: Corpus, setting: Setting, *, learner: Learner | None, noise: Noise, build: BuildSettings | None = None
) -> tuple[Run, ...]:
    """Share out, train, combine and measure, once for each seed; without a learner, as `paper_literal` does.

    References are taken from the private documents first, and are neither trained nor evaluated on. Evaluated are the
    corpus' own documents for that, or else `HELD_OUT` of each provider's.

    Raises
    ------
    InputError
        More new categories than there are, or a category with fewer documents than references.
    """
    if not 0 <= setting.new <= len(corpus.categories):
        raise InputError(
            f"{setting.new} of {len(corpus.categories)} categories cannot be new", code="bad-new", new=setting.new
        )
    bare = build_codebook(corpus.pool, [_opaque(category) for category in corpus.categories], settings=build)
    # Leaves serve retrieval; without them a codebook's public part can be exchanged freely.
    bare = replace(bare, leaves=(), leaf_prototypes=bare.leaf_prototypes[:0])
    vectors = _Vectors.of(corpus, bare)
    return tuple(_run(corpus, setting, bare, vectors, seed, learner, noise) for seed in setting.seeds)


def summarise(runs: Sequence[Run]) -> tuple[Summary, ...]:
    """Mean and deviation over the runs: public knowledge first, then each budget."""
    columns = [("public only", [run.public_only for run in runs])]
    for index, (epsilon, _) in enumerate(runs[0].shared):
        columns.append((epsilon, [run.shared[index][1] for run in runs]))
    return tuple(_summary(label, areas) for label, areas in columns)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Vectors:
    """Vectors and labels of a corpus, made once: int32 (n, r) and int64 (n,)."""

    private: NDArray[np.int32]
    private_labels: NDArray[np.int64]
    evaluated: NDArray[np.int32]
    evaluated_labels: NDArray[np.int64]

    @classmethod
    def of(cls, corpus: Corpus, codebook: Codebook) -> _Vectors:
        index = {label: number for number, label in enumerate(codebook.labels)}
        return cls(
            private=codebook.vectorize([document.text for document in corpus.private]),
            private_labels=np.array([index[document.label or ""] for document in corpus.private], dtype=np.int64),
            evaluated=codebook.vectorize([document.text for document in corpus.evaluated]),
            evaluated_labels=np.array([index[document.label or ""] for document in corpus.evaluated], dtype=np.int64),
        )


def _run(
    corpus: Corpus,
    setting: Setting,
    bare: Codebook,
    vectors: _Vectors,
    seed: int,
    learner: Learner | None,
    noise: Noise,
) -> Run:
    generator = np.random.Generator(np.random.PCG64(seed))
    new = np.sort(generator.permutation(len(corpus.categories))[: setting.new])
    references = _references(corpus, vectors.private_labels, new, setting.references, generator)
    codebook = _codebook(corpus, setting, bare, vectors, new, references)
    remaining = np.setdiff1d(np.arange(len(corpus.private)), references)
    shares = share_out(
        [corpus.private[row] for row in remaining],
        setting.partition,
        providers=setting.providers,
        generator=generator,
    )
    trained, queries, truth = _hold_out(vectors, [remaining[share] for share in shares], generator)

    def areas(model: Scorer) -> Areas:
        by_class = auc_by_class(truth, model.log_scores(queries))
        return Areas(overall=_mean(by_class), new=_mean(by_class[new]), worst=float(np.nanmin(by_class)))

    def shared(epsilon: str) -> Areas:
        parts = [(vectors.private[rows], vectors.private_labels[rows]) for rows in trained]
        if learner is None:
            return areas(train_literally(codebook, parts, float(epsilon), generator))
        terms = PrivacyTerms.of(epsilon, setting.delta)
        rounds = setting.rounds or learner.rounds
        return areas(federate(learner, codebook, parts, terms, noise, rounds=rounds, chain=setting.chain))

    return Run(
        seed=seed,
        public_only=areas((learner or Prototype()).combine(codebook, ())),
        shared=tuple((epsilon, shared(epsilon)) for epsilon in setting.epsilons),
    )


def _references(
    corpus: Corpus,
    labels: NDArray[np.int64],
    new: NDArray[np.int64],
    each: int,
    generator: np.random.Generator,
) -> NDArray[np.int64]:
    """Rows of the private documents that become public references, `each` of every category that is not new."""
    chosen = [np.empty(0, dtype=np.int64)]
    for label in np.setdiff1d(np.arange(len(corpus.categories)), new):
        rows = np.flatnonzero(labels == label)
        if len(rows) < each:
            raise InputError(
                f"category {corpus.categories[label].label!r} has {len(rows)} documents, fewer than {each} references",
                code="too-few-documents",
            )
        chosen.append(generator.choice(rows, each, replace=False))
    return np.concatenate(chosen)


def _codebook(
    corpus: Corpus,
    setting: Setting,
    bare: Codebook,
    vectors: _Vectors,
    new: NDArray[np.int64],
    references: NDArray[np.int64],
) -> Codebook:
    """The codebook as the consortium of one run has it."""
    hidden = set(new.tolist()) if setting.names else set(range(len(corpus.categories)))
    categories = tuple(
        _opaque(category) if number in hidden else category for number, category in enumerate(corpus.categories)
    )
    return replace(
        bare,
        categories=categories,
        references=vectors.private[references],
        reference_labels=vectors.private_labels[references],
        name_vectors=bare.vectorize([category.words for category in categories]),
    )


def _hold_out(
    vectors: _Vectors, shares: Sequence[NDArray[np.int64]], generator: np.random.Generator
) -> tuple[list[NDArray[np.int64]], NDArray[np.int32], NDArray[np.int64]]:
    """Rows that each provider trains on, and vectors and labels of the evaluated documents."""
    if len(vectors.evaluated):
        return list(shares), vectors.evaluated, vectors.evaluated_labels
    trained, held_out = [], []
    for share in shares:
        mixed = generator.permutation(share)
        cut = int(len(mixed) * HELD_OUT)
        held_out.append(mixed[:cut])
        trained.append(np.sort(mixed[cut:]))
    rows = np.concatenate(held_out)
    return trained, vectors.private[rows], vectors.private_labels[rows]


def _opaque(category: Category) -> Category:
    return Category(label=category.label)


def _mean(areas: NDArray[np.float64]) -> float:
    known = areas[~np.isnan(areas)]
    return float(known.mean()) if known.size else float("nan")


def _summary(label: str, areas: Sequence[Areas]) -> Summary:
    table = np.array([[area.overall, area.new, area.worst] for area in areas])
    mean, deviation = table.mean(axis=0), table.std(axis=0)
    return Summary(
        label=label,
        mean=Areas(overall=float(mean[0]), new=float(mean[1]), worst=float(mean[2])),
        deviation=Areas(overall=float(deviation[0]), new=float(deviation[1]), worst=float(deviation[2])),
    )
