"""What sharing is worth on a user's own documents; the measuring itself is `evaluation.learning`."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import click
import numpy as np

from comitia.app.bench.corpora import read_work_orders
from comitia.app.codebooks import read_categories
from comitia.app.demo.work_orders import COST_COLUMN, PROVIDER_COLUMN, TEXT_COLUMN, work_orders
from comitia.app.options import whole_numbers
from comitia.app.output import console, emit, format_option, table
from comitia.core.errors import InputError
from comitia.evaluation import baselines, datasets
from comitia.evaluation.datasets import Corpus
from comitia.evaluation.learning import NO_NOISE, Prepared, Setting, Summary, run_learning, summarise
from comitia.evaluation.own_data import PARTS, OwnData
from comitia.evaluation.regression import Errors, run_regression
from comitia.learning.bins import BinnedTarget
from comitia.learning.contract import Learner
from comitia.learning.feasible import require_pure
from comitia.learning.registry import learner, why_no_rounds
from comitia.learning.worth import ENOUGH
from comitia.ledger.transactions import MAX_ROUNDS
from comitia.privacy.noise import SystemNoise
from comitia.privacy.terms import PrivacyTerms
from comitia.storage.documents import Columns, read_documents
from comitia.storage.encoder import load_encoder
from comitia.text.build import BuildSettings
from comitia.text.categories import Category
from comitia.text.documents import Document
from comitia.text.target import parse_edges
from comitia.text.vectors import Source

WORK_ORDERS: Final = "work-orders"
LABELS, NO_NAMES = "labels", "none"
COLUMN: Final = "column"
DELTA: Final = "1e-5"
PARALLEL, CHAIN = "parallel", "chain"
ENCODER_AND_POOL: Final = "encoder+pool"


AREA_COLUMNS: Final = (
    "providers",
    "references",
    "epsilon",
    "auc_public_only",
    "auc",
    "auc_std",
    "gain_foretold",
    "auc_public_only_new",
    "auc_new",
)
NUMBER_COLUMNS: Final = ("providers", "epsilon", "mae_public_only", "mae_best_constant", "mae", "mae_std", "clipped")


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What `comitia bench learning` was asked; fields as its options.

    Attributes
    ----------
    data : OwnData or None
        None for NIST's excavators.
    categories : int
        The most frequent labels, unless `names` is a file.
    names : str
        `LABELS`, `NO_NAMES` or a file of categories.
    partition : str
        As `share_out` takes it; ``column:NAME`` is its ``provider``.
    learner : str
        Name in the registry, or `baselines.LITERAL`.
    basis : str
        What vectors are made from: `Source`, or `ENCODER_AND_POOL`.
    target : str or None
        The public range of the numbers that the labels are, as `parse_edges` takes it.
    """

    data: OwnData | None
    categories: int
    names: str
    providers: tuple[int, ...]
    partition: str
    learner: str
    references: tuple[int, ...]
    new_classes: int
    epsilons: tuple[str, ...]
    pure: bool
    seeds: int
    rounds: int | None = None
    mode: str = PARALLEL
    basis: str = Source.POOL
    target: str | None = None

    @property
    def share_out_by(self) -> str:
        """The partition as `share_out` takes it."""
        return "provider" if self.partition.startswith(f"{COLUMN}:") else self.partition


@click.command()
@click.option(
    "--data",
    required=True,
    help="FILE, folder or pattern; 'work-orders' for NIST's excavators. Rows of no category are the public pool.",
)
@click.option("--text-column", default="text", show_default=True)
@click.option("--label-column", default="label", show_default=True, help="A list of several labels counts as none.")
@click.option("--target", help="Predict the label column's number: LOW:HIGH:BINS[:log] of its public range.")
@click.option("--split-column", help="Column with 'train' and 'test'; else a quarter is held out.")
@click.option(
    "--part",
    type=click.Choice(list(PARTS)),
    default="whole",
    show_default=True,
    help="Of newsgroup posts the body without header, quotes and signature, or the subject line.",
)
@click.option("--categories", default=8, show_default=True, help="The most frequent labels.")
@click.option(
    "--names", default=LABELS, show_default=True, help="labels, none, or a categories.toml whose ids are taken."
)
@click.option("--providers", default="3", show_default=True, help="How many; several with commas.")
@click.option(
    "--partition", default="sorted", show_default=True, help="sorted, iid, dirichlet:0.5 or column:NAME (whose it is)."
)
@click.option(
    "--learner",
    help="Of the registry; paper_literal is a baseline, not private. Default: prototype, with --target bins.",
)
@click.option("--rounds", type=int, help="How often the providers train. Default: as the learner needs.")
@click.option("--mode", type=click.Choice([PARALLEL, CHAIN]), default=PARALLEL, show_default=True)
@click.option("--references", default="0", show_default=True, help="Public documents a category; several with commas.")
@click.option("--new-classes", default=0, show_default=True, help="Categories of which nothing is public.")
@click.option("--epsilon", default="1", show_default=True, help="Several with commas; inf: all documents public.")
@click.option(
    "--basis",
    type=click.Choice([*(source.value for source in Source), ENCODER_AND_POOL]),
    default=Source.POOL.value,
    show_default=True,
    help="What vectors are made from; without 'pool' in it, no public document is used.",
)
@click.option("--pure", is_flag=True, help="Pure epsilon, without a delta; not every learner has it.")
@click.option("--seeds", default=5, show_default=True)
@format_option
def learning(
    data: str,
    text_column: str,
    label_column: str,
    target: str | None,
    split_column: str | None,
    part: str,
    categories: int,
    names: str,
    providers: str,
    partition: str,
    learner: str | None,
    rounds: int | None,
    mode: str,
    references: str,
    new_classes: int,
    epsilon: str,
    basis: str,
    pure: bool,
    seeds: int,
    output: str,
) -> None:
    """Measure what sharing is worth on your documents, before anybody spends privacy on it.

    AUC (macro, one against the rest) on documents that nobody trains on: of public knowledge alone, and of the
    shared model at each epsilon. In this process; no node is started.
    """
    kind, _, column = partition.partition(":")
    question = Question(
        data=None
        if data == WORK_ORDERS
        else OwnData(
            source=data,
            text=text_column,
            label=label_column,
            split=split_column,
            provider=column if kind == COLUMN else None,
            part=part,
        ),
        categories=categories,
        names=names,
        providers=whole_numbers(providers, "--providers"),
        partition=partition,
        learner=learner or ("prototype" if target is None else "bins"),
        references=whole_numbers(references, "--references", least=0),
        new_classes=new_classes,
        epsilons=tuple(epsilon.split(",")),
        pure=pure,
        seeds=seeds,
        rounds=rounds,
        mode=mode,
        basis=basis,
        target=target,
    )
    with console(stderr=True).status("reading documents") as status:
        found = []
        for value in measure(question, say=status.update):
            found.append(value)
            if output == "json":
                emit(value, output, lambda: None)
    if output == "json":
        return
    columns = AREA_COLUMNS if target is None else NUMBER_COLUMNS
    shown = [name for name in columns if any(value[name] is not None for value in found)]
    table(f"{data}, {partition}, {seeds} seeds", shown, [[_figure(value[name]) for name in shown] for value in found])
    if target is not None:
        return
    gains = [value["auc"] - value["auc_public_only"] for value in found if value["epsilon"] != NO_NOISE]
    if gains and max(gains) < ENOUGH:
        click.echo(f"Public knowledge is enough: sharing adds {max(0.0, *gains):.3f} to its AUC at most.")


def measure(question: Question, *, say: Callable[[str], None] = lambda _: None) -> Iterator[dict[str, Any]]:
    """One set of figures for each number of providers, of references, and epsilon.

    Raises
    ------
    InputError
        For documents, options or epsilons that cannot be.
    """
    if question.seeds < 1:
        raise InputError(f"{question.seeds} seeds give no figure", code="bad-option", hint="take 5 or more")
    if question.target is not None:
        yield from _measure_numbers(question, question.target, say)
        return
    using = _learner(question)
    delta = "0" if question.pure else DELTA
    for epsilon in question.epsilons:
        if epsilon != NO_NOISE:
            terms = PrivacyTerms.of(epsilon, delta)
            if using is not None:
                require_pure(using, terms)
    say("building the codebook")
    prepared = _prepared(question.data, question.categories, question.names, question.basis)
    for providers in question.providers:
        for references in question.references:
            say(f"{providers} providers, {references} references")
            setting = Setting(
                partition=question.share_out_by,
                providers=providers,
                epsilons=question.epsilons,
                delta=delta,
                new=question.new_classes,
                references=references,
                names=question.names != NO_NAMES,
                seeds=tuple(range(question.seeds)),
                rounds=question.rounds,
                chain=question.mode == CHAIN,
            )
            runs = run_learning(prepared, setting, learner=using, noise=SystemNoise())
            public, *shared = summarise(runs)
            for summary in shared:
                yield _figures(question, prepared.corpus, setting, runs[0].providers, public, summary)


def _measure_numbers(question: Question, target: str, say: Callable[[str], None]) -> Iterator[dict[str, Any]]:
    """Eq. (6) of predicted numbers, in place of AUC."""
    _require_numbers(question)
    documents, edges = _numbered(question.data), parse_edges(target)
    for providers in question.providers:
        say(f"{providers} providers")
        runs = [
            run_regression(
                documents,
                edges,
                partition=question.share_out_by,
                providers=providers,
                epsilons=question.epsilons,
                delta=DELTA,
                seed=seed,
                noise=SystemNoise(),
            )
            for seed in range(question.seeds)
        ]
        for index, epsilon in enumerate(question.epsilons):
            yield _number_figures(question, runs, epsilon, [run.shared[index][1] for run in runs])


def _number_figures(question: Question, runs: list[Errors], epsilon: str, errors: list[float]) -> dict[str, Any]:
    return {
        "dataset": WORK_ORDERS if question.data is None else Path(question.data.source).name,
        "learner": question.learner,
        "providers": runs[0].providers,
        "partition": question.partition,
        "epsilon": float(epsilon),
        "delta": float(DELTA),
        "unit": "record",
        "target": question.target,
        "mae": round(float(np.mean(errors)), 2),
        "mae_std": round(float(np.std(errors)), 2),
        "mae_public_only": round(float(np.mean([run.public_only for run in runs])), 2),
        "mae_best_constant": round(float(np.mean([run.best_constant for run in runs])), 2),
        "clipped": runs[0].clipped,
        "seeds": question.seeds,
    }


def _numbered(data: OwnData | None) -> list[Document]:
    if data is not None:
        return data.documents()
    columns = Columns(text=TEXT_COLUMN, label=COST_COLUMN, provider=PROVIDER_COLUMN)
    return datasets.work_order_costs(list(read_documents(work_orders(), columns)))


def _learner(question: Question) -> Learner | None:
    """The learner; None for the baseline that is none. Refuses rounds, and a chain, where it has only one round."""
    using = None if question.learner == baselines.LITERAL else learner(question.learner)
    if using is not None and using.kind != "classification":
        raise InputError(
            f"learner {question.learner!r} is for numbers", code="wrong-kind", hint="say their range with --target"
        )
    if reason := why_no_rounds(question.learner, rounds=question.rounds or 1, chain=question.mode == CHAIN):
        raise InputError(reason, code="no-rounds", hint="use --learner softmax")
    if question.rounds is not None and not 1 <= question.rounds <= MAX_ROUNDS:
        raise InputError(f"{question.rounds} rounds cannot be, 1 to {MAX_ROUNDS} can", code="bad-rounds")
    return using


def _require_numbers(question: Question) -> None:
    """Refuse what numbers do not have."""
    if question.learner != BinnedTarget.name:
        raise InputError(
            f"learner {question.learner!r} does not predict numbers", code="wrong-kind", hint="leave --learner away"
        )
    split = question.data is not None and question.data.split is not None
    plain = (question.rounds, question.mode, question.references, question.new_classes, question.basis) == (
        None,
        PARALLEL,
        (0,),
        0,
        Source.POOL,
    )
    if split or question.pure or NO_NOISE in question.epsilons or not plain:
        raise InputError(
            "with --target there are no rounds, references, new classes, split column, basis, --pure or epsilon inf",
            code="bad-option",
        )


def _figures(
    question: Question, corpus: Corpus, setting: Setting, providers: int, public: Summary, shared: Summary
) -> dict[str, Any]:
    noised = shared.label != NO_NOISE
    private = noised and question.learner != baselines.LITERAL
    return {
        "dataset": corpus.name,
        "learner": question.learner,
        "mode": question.mode,
        "rounds": setting.rounds,
        "providers": providers,
        "partition": question.partition,
        "epsilon": float(shared.label) if noised else NO_NOISE,
        "delta": float(setting.delta) if private else None,
        "unit": "record" if private else None,
        "basis": question.basis,
        "pool": len(corpus.pool),
        "references": setting.references,
        "names": Path(question.names).name,
        "new_classes": setting.new,
        "auc": _rounded(shared.mean.overall),
        "auc_new": _rounded(shared.mean.new),
        "auc_public_only": _rounded(public.mean.overall),
        "auc_public_only_new": _rounded(public.mean.new),
        "auc_std": _rounded(shared.deviation.overall),
        "auc_worst_class": _rounded(shared.mean.worst),
        "gain_foretold": None
        if math.isnan(shared.mean.most)
        else [_rounded(shared.mean.least), _rounded(shared.mean.most)],
        "accuracy": _rounded(shared.mean.accuracy),
        "mae": _rounded(1 - shared.mean.accuracy),
        "seeds": question.seeds,
        "cpu_s": round(shared.mean.cpu_s, 4),
        "release_bytes": round(shared.mean.release_bytes),
    }


@lru_cache(maxsize=2)
def _prepared(data: OwnData | None, categories: int, names: str, basis: str) -> Prepared:
    corpus = _corpus(data, categories, _known(names))
    if basis == Source.POOL:
        return Prepared.of(corpus)
    encoder = None if basis == Source.NONE else load_encoder()
    settings = BuildSettings(source=Source.NONE if encoder is None else Source.ENCODER)
    return Prepared.of(corpus if basis == ENCODER_AND_POOL else replace(corpus, pool=()), settings, encoder)


def _corpus(data: OwnData | None, categories: int, known: tuple[Category, ...] | None) -> Corpus:
    if data is not None:
        return data.read(most=categories, known=known)
    if known is not None:
        raise InputError("the work orders' names are their labels", code="bad-option", hint="--names labels or none")
    return read_work_orders(categories)


def _known(names: str) -> tuple[Category, ...] | None:
    """The categories of a file; None for a choice that is no file."""
    return None if names in (LABELS, NO_NAMES) else read_categories(Path(names), ())


def _rounded(value: float) -> float | None:
    return None if math.isnan(value) else round(value, 4)


def _figure(value: object) -> str:
    if isinstance(value, list):
        return " to ".join(f"+{figure}" for figure in value)
    return "" if value is None else str(value)
