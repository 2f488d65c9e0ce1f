"""What sharing is worth: AUC of public knowledge alone and of shared models, on documents nobody trained on."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass, replace

import numpy as np
from numpy.typing import NDArray

from comitia.core.errors import InputError
from comitia.evaluation import baselines
from comitia.evaluation.datasets import Corpus
from comitia.evaluation.federation import Share, federate
from comitia.evaluation.partitions import share_out
from comitia.learning.contract import Learner
from comitia.learning.metrics import accuracy, auc_by_class
from comitia.learning.prototype import Prototype
from comitia.learning.wire import release_bytes
from comitia.learning.worth import can_foretell, worth
from comitia.privacy.noise import Noise
from comitia.privacy.terms import PrivacyTerms
from comitia.text.build import BuildSettings, build_codebook
from comitia.text.categories import Category
from comitia.text.codebook import Codebook
from comitia.text.encoder import SentenceEncoder
from comitia.text.vectors import Source

NO_NOISE = "inf"
"""The epsilon of no privacy: what the learner makes of the same documents if all of them are public."""

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
        Budgets, as people write them, for each provider; or `NO_NOISE`.
    delta : str
        "0" is pure privacy, which a learner may refuse.
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


@dataclass(frozen=True, slots=True)
class Figures:
    """How good one model is, and what it cost.

    Attributes
    ----------
    overall, new, worst : float
        Macro one-vs-rest AUC: over all categories, over the new ones (NaN if there are none), of the worst one.
    accuracy : float
        Share of evaluated documents whose category is found; 1 - MAE with a loss of 1 for each error.
    cpu_s : float
        CPU seconds for all releases, the model, and the scores of the evaluated documents; vectors are there before.
    release_bytes : float
        Mean size of a provider's release on the wire; 0 where nothing is released.
    least, most : float
        What `learning.worth` foretells that sharing adds to the AUC of public knowledge; NaN where it does not.
    """

    overall: float
    new: float
    worst: float
    accuracy: float
    cpu_s: float
    release_bytes: float
    least: float = float("nan")
    most: float = float("nan")


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What one seed gave: so many providers, public knowledge alone, and the model at each budget."""

    seed: int
    providers: int
    public_only: Figures
    shared: tuple[tuple[str, Figures], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """Mean and standard deviation over the seeds; `label` is "public only" or a budget."""

    label: str
    mean: Figures
    deviation: Figures


def run_learning(prepared: Prepared, setting: Setting, *, learner: Learner | None, noise: Noise) -> tuple[Run, ...]:
    """Share out, train, combine and measure, once for each seed; without a learner, as `paper_literal` does.

    References are taken from the private documents first, and are neither trained nor evaluated on. Evaluated are the
    corpus' own documents for that, or else `HELD_OUT` of each provider's.

    Raises
    ------
    InputError
        More new categories than there are, or a category with fewer documents than references.
    """
    categories = len(prepared.corpus.categories)
    if not 0 <= setting.new <= categories:
        raise InputError(f"{setting.new} of {categories} categories cannot be new", code="bad-new", new=setting.new)
    return tuple(_run(prepared, setting, seed, learner, noise) for seed in setting.seeds)


def summarise(runs: Sequence[Run]) -> tuple[Summary, ...]:
    """Mean and deviation over the runs: public knowledge first, then each budget."""
    columns = [("public only", [run.public_only for run in runs])]
    for index, (epsilon, _) in enumerate(runs[0].shared):
        columns.append((epsilon, [run.shared[index][1] for run in runs]))
    return tuple(_summary(label, figures) for label, figures in columns)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Prepared:
    """A corpus with what does not depend on how it is shared out.

    Attributes
    ----------
    corpus : Corpus
    bare : Codebook
        Basis and pool, without names, references or leaves.
    private, evaluated : int32 array, shape (n, r)
        Vectors of the corpus' documents.
    private_labels, evaluated_labels : int64 array, shape (n,)
        Index of each document's category.
    """

    corpus: Corpus
    bare: Codebook
    private: NDArray[np.int32]
    private_labels: NDArray[np.int64]
    evaluated: NDArray[np.int32]
    evaluated_labels: NDArray[np.int64]

    @classmethod
    def of(cls, corpus: Corpus, build: BuildSettings | None = None, encoder: SentenceEncoder | None = None) -> Prepared:
        """Build the codebook and make all vectors.

        Raises
        ------
        InputError
            `no-pool`: every document has one of the categories, and the basis is the pool; others as `build_codebook`.
        """
        if not corpus.pool and (build or BuildSettings()).source == Source.POOL:
            raise InputError(
                f"{corpus.name} leaves no public pool: all of its documents have one of the "
                f"{len(corpus.categories)} categories",
                code="no-pool",
                hint="the pool is what has another label or none: add such rows, or take fewer --categories",
            )
        opaque = [_opaque(category) for category in corpus.categories]
        codebook = build_codebook(corpus.pool, opaque, settings=build, encoder=encoder)
        # Leaves serve retrieval; without them a codebook's public part can be exchanged freely.
        codebook = replace(codebook, leaves=(), leaf_prototypes=codebook.leaf_prototypes[:0])
        index = {label: number for number, label in enumerate(codebook.labels)}
        return cls(
            corpus=corpus,
            bare=codebook,
            private=codebook.vectorize([document.text for document in corpus.private]),
            private_labels=np.array([index[document.label or ""] for document in corpus.private], dtype=np.int64),
            evaluated=codebook.vectorize([document.text for document in corpus.evaluated]),
            evaluated_labels=np.array([index[document.label or ""] for document in corpus.evaluated], dtype=np.int64),
        )

    def unit(self, vectors: NDArray[np.int32]) -> NDArray[np.float64]:
        """Vectors as floating-point numbers, at most 1 long."""
        return vectors / float(1 << self.bare.grid_bits)

    @property
    def named(self) -> Codebook:
        """The codebook with all names and no reference."""
        categories = self.corpus.categories
        names = self.bare.vectorize([category.words for category in categories])
        return replace(self.bare, categories=categories, name_vectors=names)


def _run(
    prepared: Prepared,
    setting: Setting,
    seed: int,
    learner: Learner | None,
    noise: Noise,
) -> Run:
    corpus, categories = prepared.corpus, prepared.corpus.categories
    generator = np.random.Generator(np.random.PCG64(seed))
    new = np.sort(generator.permutation(len(categories))[: setting.new])
    references = _references(prepared, new, setting.references, generator)
    codebook = _codebook(prepared, setting, new, references)
    remaining = np.setdiff1d(np.arange(len(corpus.private)), references)
    shares = share_out(
        [corpus.private[row] for row in remaining],
        setting.partition,
        providers=setting.providers,
        generator=generator,
    )
    trained, queries, truth = hold_out(prepared, [remaining[share] for share in shares], generator)

    parts = [(prepared.private[rows], prepared.private_labels[rows]) for rows in trained]

    def figures(answer: Callable[[], NDArray[np.float64]]) -> Figures:
        start = time.process_time()
        scores = answer()
        cpu_s = time.process_time() - start
        by_class = auc_by_class(truth, scores)
        return Figures(
            overall=_mean(by_class),
            new=_mean(by_class[new]),
            worst=float(np.nanmin(by_class)),
            accuracy=accuracy(truth, scores.argmax(axis=1)),
            cpu_s=cpu_s,
            release_bytes=0.0,
        )

    def public(using: Learner, book: Codebook) -> Figures:
        return figures(lambda: using.combine(book, ()).log_scores(queries))

    def shared(epsilon: str) -> Figures:
        if learner is None:
            return figures(lambda: _literal(prepared, parts, queries, float(epsilon), generator))
        if epsilon == NO_NOISE:
            return public(learner, _published(codebook, prepared, np.concatenate(trained)))
        terms = PrivacyTerms.of(epsilon, setting.delta)
        sizes: list[int] = []

        def answer() -> NDArray[np.float64]:
            rounds = setting.rounds or learner.rounds
            model, made = federate(learner, codebook, parts, terms, noise, rounds=rounds, chain=setting.chain)
            sizes.extend(len(release_bytes(release)) for release in made)
            return model.log_scores(queries)

        measured = replace(figures(answer), release_bytes=float(np.mean(sizes)))
        if not can_foretell(learner):
            return measured
        counts = np.array([np.bincount(labels, minlength=len(categories)) for _, labels in parts], dtype=np.float64)
        foretold = worth(codebook, learner, counts, terms, public_auc=public_only.overall)
        assert foretold.gain is not None
        return replace(measured, least=foretold.gain[0], most=foretold.gain[1])

    public_only = public(learner or Prototype(), codebook)

    return Run(
        seed=seed,
        providers=len(trained),
        public_only=public_only,
        shared=tuple((epsilon, shared(epsilon)) for epsilon in setting.epsilons),
    )


def _literal(
    prepared: Prepared,
    parts: Sequence[Share],
    queries: NDArray[np.int32],
    epsilon: float,
    generator: np.random.Generator,
) -> NDArray[np.float64]:
    return baselines.paper_literal(
        [(prepared.unit(vectors), labels) for vectors, labels in parts],
        prepared.unit(queries),
        len(prepared.corpus.categories),
        epsilon=epsilon,
        generator=generator,
    )


def _published(codebook: Codebook, prepared: Prepared, rows: NDArray[np.int64]) -> Codebook:
    """The codebook if these private documents were public references."""
    return replace(
        codebook,
        references=np.concatenate([codebook.references, prepared.private[rows]]),
        reference_labels=np.concatenate([codebook.reference_labels, prepared.private_labels[rows]]),
    )


def _references(
    prepared: Prepared, new: NDArray[np.int64], each: int, generator: np.random.Generator
) -> NDArray[np.int64]:
    """Rows of the private documents that become public references, `each` of every category that is not new."""
    chosen = [np.empty(0, dtype=np.int64)]
    categories = prepared.corpus.categories
    for label in np.setdiff1d(np.arange(len(categories)), new):
        rows = np.flatnonzero(prepared.private_labels == label)
        if len(rows) < each:
            raise InputError(
                f"category {categories[label].label!r} has {len(rows)} documents, fewer than {each} references",
                code="too-few-documents",
            )
        chosen.append(generator.choice(rows, each, replace=False))
    return np.concatenate(chosen)


def _codebook(prepared: Prepared, setting: Setting, new: NDArray[np.int64], references: NDArray[np.int64]) -> Codebook:
    """The codebook as the consortium of one run has it."""
    hidden = set(new.tolist()) if setting.names else set(range(len(prepared.corpus.categories)))
    categories = tuple(
        _opaque(category) if number in hidden else category
        for number, category in enumerate(prepared.corpus.categories)
    )
    return replace(
        prepared.bare,
        categories=categories,
        references=prepared.private[references],
        reference_labels=prepared.private_labels[references],
        name_vectors=prepared.bare.vectorize([category.words for category in categories]),
    )


def hold_out(
    prepared: Prepared, shares: Sequence[NDArray[np.int64]], generator: np.random.Generator
) -> tuple[list[NDArray[np.int64]], NDArray[np.int32], NDArray[np.int64]]:
    """Rows that each provider trains on, and vectors and labels of the evaluated documents."""
    if len(prepared.evaluated):
        return list(shares), prepared.evaluated, prepared.evaluated_labels
    trained, held_out = [], []
    for share in shares:
        mixed = generator.permutation(share)
        cut = int(len(mixed) * HELD_OUT)
        held_out.append(mixed[:cut])
        trained.append(np.sort(mixed[cut:]))
    rows = np.concatenate(held_out)
    return trained, prepared.private[rows], prepared.private_labels[rows]


def _opaque(category: Category) -> Category:
    return Category(label=category.label)


def _mean(areas: NDArray[np.float64]) -> float:
    known = areas[~np.isnan(areas)]
    return float(known.mean()) if known.size else float("nan")


def _summary(label: str, figures: Sequence[Figures]) -> Summary:
    table = np.array([astuple(one) for one in figures])
    return Summary(
        label=label, mean=Figures(*table.mean(axis=0).tolist()), deviation=Figures(*table.std(axis=0).tolist())
    )
