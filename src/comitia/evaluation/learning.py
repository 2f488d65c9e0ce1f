"""What sharing is worth: AUC of public knowledge alone and of shared models, on documents nobody trained on."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass, replace

import numpy as np
from numpy.typing import NDArray

from comitia.core.errors import InputError
from comitia.evaluation import baselines
from comitia.evaluation.federation import Share, federate
from comitia.evaluation.partitions import share_out
from comitia.evaluation.prepared import Prepared, draw_references, hold_out
from comitia.learning.contract import Learner
from comitia.learning.metrics import accuracy, auc_by_class
from comitia.learning.prototype import Prototype
from comitia.learning.wire import release_bytes
from comitia.learning.worth import can_foretell, worth
from comitia.privacy.noise import Noise
from comitia.privacy.terms import PrivacyTerms
from comitia.text.codebook import Codebook

NO_NOISE = "inf"
"""The epsilon of no privacy: what the learner makes of the same documents if all of them are public."""


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


def _run(prepared: Prepared, setting: Setting, seed: int, learner: Learner | None, noise: Noise) -> Run:
    task = _Task.draw(prepared, setting, seed)
    public_only = task.measure(lambda: (learner or Prototype()).combine(task.codebook, ()).log_scores(task.queries))

    def shared(epsilon: str) -> Figures:
        if learner is None:
            return task.measure(lambda: task.literal(float(epsilon)))
        if epsilon == NO_NOISE:
            everything = prepared.published(task.codebook, np.concatenate(task.trained))
            return task.measure(lambda: learner.combine(everything, ()).log_scores(task.queries))
        return task.shared(learner, PrivacyTerms.of(epsilon, setting.delta), noise, public_only.overall)

    return Run(
        seed=seed,
        providers=len(task.trained),
        public_only=public_only,
        shared=tuple((epsilon, shared(epsilon)) for epsilon in setting.epsilons),
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Task:
    """What one seed draws: who has which documents, what is public, and what is evaluated.

    Attributes
    ----------
    codebook : Codebook
        As the consortium has it.
    new : int64 array
        Categories of which nothing is public, ascending.
    trained : list of int64 array
        Rows of the private documents that each provider trains on.
    queries : int32 array, shape (n, r)
        Vectors of the evaluated documents.
    truth : int64 array, shape (n,)
        Their categories.
    generator : numpy Generator
        What drew it, for a baseline to go on with.
    """

    prepared: Prepared
    setting: Setting
    codebook: Codebook
    new: NDArray[np.int64]
    trained: list[NDArray[np.int64]]
    queries: NDArray[np.int32]
    truth: NDArray[np.int64]
    generator: np.random.Generator

    @classmethod
    def draw(cls, prepared: Prepared, setting: Setting, seed: int) -> _Task:
        documents = prepared.corpus.private
        generator = np.random.Generator(np.random.PCG64(seed))
        new = np.sort(generator.permutation(len(prepared.corpus.categories))[: setting.new])
        references = draw_references(prepared, new, setting.references, generator)
        remaining = np.setdiff1d(np.arange(len(documents)), references)
        shares = share_out(
            [documents[row] for row in remaining],
            setting.partition,
            providers=setting.providers,
            generator=generator,
        )
        trained, queries, truth = hold_out(prepared, [remaining[share] for share in shares], generator)
        return cls(
            prepared=prepared,
            setting=setting,
            codebook=prepared.public(new, references, names=setting.names),
            new=new,
            trained=trained,
            queries=queries,
            truth=truth,
            generator=generator,
        )

    @property
    def parts(self) -> list[Share]:
        """What each provider trains on."""
        return [(self.prepared.private[rows], self.prepared.private_labels[rows]) for rows in self.trained]

    def measure(self, answer: Callable[[], NDArray[np.float64]]) -> Figures:
        """Figures of the scores (n, C) that `answer` gives the queries, and of the time that it takes."""
        start = time.process_time()
        scores = answer()
        cpu_s = time.process_time() - start
        by_class = auc_by_class(self.truth, scores)
        return Figures(
            overall=_mean(by_class),
            new=_mean(by_class[self.new]),
            worst=float(np.nanmin(by_class)),
            accuracy=accuracy(self.truth, scores.argmax(axis=1)),
            cpu_s=cpu_s,
            release_bytes=0.0,
        )

    def shared(self, learner: Learner, terms: PrivacyTerms, noise: Noise, public_auc: float) -> Figures:
        """Figures of the model that the providers make together, and what is foretold of it."""
        parts = self.parts
        sizes: list[int] = []

        def answer() -> NDArray[np.float64]:
            rounds = self.setting.rounds or learner.rounds
            model, made = federate(learner, self.codebook, parts, terms, noise, rounds=rounds, chain=self.setting.chain)
            sizes.extend(len(release_bytes(release)) for release in made)
            return model.log_scores(self.queries)

        measured = replace(self.measure(answer), release_bytes=float(np.mean(sizes)))
        if not can_foretell(learner):
            return measured
        categories = len(self.codebook.categories)
        counts = np.array([np.bincount(labels, minlength=categories) for _, labels in parts], dtype=np.float64)
        foretold = worth(self.codebook, learner, counts, terms, public_auc=public_auc)
        assert foretold.gain is not None
        return replace(measured, least=foretold.gain[0], most=foretold.gain[1])

    def literal(self, epsilon: float) -> NDArray[np.float64]:
        """Scores of the paper's mechanism as written."""
        return baselines.paper_literal(
            [(self.prepared.unit(vectors), labels) for vectors, labels in self.parts],
            self.prepared.unit(self.queries),
            len(self.codebook.categories),
            epsilon=epsilon,
            generator=self.generator,
        )


def _mean(areas: NDArray[np.float64]) -> float:
    known = areas[~np.isnan(areas)]
    return float(known.mean()) if known.size else float("nan")


def _summary(label: str, figures: Sequence[Figures]) -> Summary:
    table = np.array([astuple(one) for one in figures])
    return Summary(
        label=label, mean=Figures(*table.mean(axis=0).tolist()), deviation=Figures(*table.std(axis=0).tolist())
    )
