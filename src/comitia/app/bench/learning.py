"""What sharing is worth on a user's own documents; the measuring itself is `evaluation.learning`."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np

from comitia.app.demo.work_orders import LABEL_COLUMN, PROVIDER_COLUMN, TEXT_COLUMN, work_orders
from comitia.app.output import console, emit, format_option, table
from comitia.core.errors import InputError
from comitia.evaluation import datasets, paper_literal
from comitia.evaluation.datasets import Corpus
from comitia.evaluation.learning import Setting, Summary, run_learning, summarise
from comitia.evaluation.regression import run_regression
from comitia.learning.contract import Learner
from comitia.learning.registry import learner
from comitia.privacy.noise import SystemNoise
from comitia.storage.documents import Columns, read_documents
from comitia.text.categories import Category
from comitia.text.documents import Document
from comitia.text.target import parse_edges


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What `comitia bench learning` was asked; fields as its options."""

    data: str
    text_column: str
    label_column: str
    provider_column: str | None
    split_column: str | None
    categories: int
    names: bool
    providers: tuple[int, ...]
    partition: str
    learner: str
    references: tuple[int, ...]
    new_classes: int
    epsilons: tuple[str, ...]
    seeds: int
    rounds: int | None = None
    mode: str = "parallel"
    target: str | None = None


@click.command()
@click.option("--data", required=True, help="FILE, folder or pattern; or work-orders, 20news, reuters.")
@click.option("--text-column", default="text", show_default=True)
@click.option("--label-column", default="label", show_default=True)
@click.option("--provider-column", help="With --partition provider.")
@click.option("--target", help="Predict the label column's number: LOW:HIGH:BINS[:log] of its public range.")
@click.option("--split-column", help="Column with 'train' and 'test'; else a quarter is held out.")
@click.option("--categories", default=8, show_default=True, help="The most frequent labels.")
@click.option("--names", type=click.Choice(["labels", "none"]), default="labels", show_default=True)
@click.option("--providers", default="3", show_default=True, help="How many; several with commas.")
@click.option("--partition", default="sorted", show_default=True, help="sorted, iid, dirichlet:A or provider.")
@click.option("--learner", default="prototype", show_default=True, help="Or paper_literal: a baseline, not private.")
@click.option("--rounds", type=int, help="How often the providers train. Default: as the learner needs.")
@click.option("--mode", type=click.Choice(["parallel", "chain"]), default="parallel", show_default=True)
@click.option("--references", default="0", show_default=True, help="Public documents a category; several with commas.")
@click.option("--new-classes", default=0, show_default=True, help="Categories of which nothing is public.")
@click.option("--epsilon", default="1", show_default=True, help="Several with commas.")
@click.option("--seeds", default=5, show_default=True)
@format_option
def learning(
    data: str,
    text_column: str,
    label_column: str,
    provider_column: str | None,
    target: str | None,
    split_column: str | None,
    categories: int,
    names: str,
    providers: str,
    partition: str,
    learner: str,
    rounds: int | None,
    mode: str,
    references: str,
    new_classes: int,
    epsilon: str,
    seeds: int,
    output: str,
) -> None:
    """Measure what sharing is worth on your documents, before anybody spends privacy on it.

    AUC (macro, one against the rest) on documents that nobody trains on: of public knowledge alone, and of the
    shared model at each epsilon. In this process; no node is started.
    """
    question = Question(
        data=data,
        text_column=text_column,
        label_column=label_column,
        provider_column=provider_column,
        split_column=split_column,
        categories=categories,
        names=names == "labels",
        providers=_numbers(providers, "--providers"),
        partition=partition,
        learner=learner,
        references=_numbers(references, "--references"),
        new_classes=new_classes,
        epsilons=tuple(epsilon.split(",")),
        seeds=seeds,
        rounds=rounds,
        mode=mode,
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
    if target is not None:
        numbers = ("providers", "epsilon", "mae_public_only", "mae_best_constant", "mae", "mae_std", "clipped")
        table(
            f"{data}, {partition}, {seeds} seeds",
            numbers,
            [[_figure(value[name]) for name in numbers] for value in found],
        )
        return
    shown = (
        "providers",
        "references",
        "epsilon",
        "auc_public_only",
        "auc",
        "auc_std",
        "auc_public_only_new",
        "auc_new",
    )
    table(f"{data}, {partition}, {seeds} seeds", shown, [[_figure(value[name]) for name in shown] for value in found])


def measure(question: Question, *, say: Callable[[str], None] = lambda _: None) -> Iterator[dict[str, Any]]:
    """One set of figures for each number of providers, of references, and epsilon.

    Raises
    ------
    InputError
        For documents, options or epsilons that cannot be.
    """
    if question.target is not None:
        yield from _measure_numbers(question, say)
        return
    corpus = _corpus(question)
    using = None if question.learner == paper_literal.NAME else learner(question.learner)
    _require_rounds(question, using)
    for providers in question.providers:
        for references in question.references:
            say(f"{providers} providers, {references} references")
            setting = Setting(
                partition=question.partition,
                providers=providers,
                epsilons=question.epsilons,
                new=question.new_classes,
                references=references,
                names=question.names,
                seeds=tuple(range(question.seeds)),
                rounds=question.rounds,
                chain=question.mode == "chain",
            )
            start = time.process_time()
            public, *shared = summarise(run_learning(corpus, setting, learner=using, noise=SystemNoise()))
            cpu_s = time.process_time() - start
            for summary in shared:
                yield _figures(question, corpus, setting, public, summary, cpu_s)


def _measure_numbers(question: Question, say: Callable[[str], None]) -> Iterator[dict[str, Any]]:
    """Eq. (6) of predicted numbers, in place of AUC."""
    edges = parse_edges(question.target or "")
    if question.data == "work-orders":
        columns = Columns(text=TEXT_COLUMN, label=question.label_column, provider=PROVIDER_COLUMN)
        documents = datasets.work_order_costs(list(read_documents(work_orders(), columns)))
    else:
        columns = Columns(text=question.text_column, label=question.label_column, provider=question.provider_column)
        documents = list(read_documents(question.data, columns))
    for providers in question.providers:
        say(f"{providers} providers")
        start = time.process_time()
        runs = [
            run_regression(
                documents,
                edges,
                partition=question.partition,
                providers=providers,
                epsilons=question.epsilons,
                delta="1e-5",
                seed=seed,
                noise=SystemNoise(),
            )
            for seed in range(question.seeds)
        ]
        cpu_s = time.process_time() - start
        for index, epsilon in enumerate(question.epsilons):
            errors = np.array([run.shared[index][1] for run in runs])
            yield {
                "dataset": Path(question.data).name,
                "learner": "bins",
                "mode": "parallel",
                "providers": providers,
                "partition": question.partition,
                "epsilon": float(epsilon),
                "delta": 1e-5,
                "unit": "record",
                "target": question.target,
                "mae": round(float(errors.mean()), 2),
                "mae_std": round(float(errors.std()), 2),
                "mae_public_only": round(float(np.mean([run.public_only for run in runs])), 2),
                "mae_best_constant": round(float(np.mean([run.best_constant for run in runs])), 2),
                "clipped": runs[0].clipped,
                "seeds": question.seeds,
                "cpu_s": round(cpu_s, 2),
            }


def _figures(
    question: Question, corpus: Corpus, setting: Setting, public: Summary, shared: Summary, cpu_s: float
) -> dict[str, Any]:
    return {
        "dataset": corpus.name,
        "learner": question.learner,
        "mode": question.mode,
        "providers": setting.providers,
        "partition": setting.partition,
        "epsilon": float(shared.label),
        "delta": float(setting.delta),
        "unit": "record",
        "pool": len(corpus.pool),
        "references": setting.references,
        "names": setting.names,
        "new_classes": setting.new,
        "auc": _rounded(shared.mean.overall),
        "auc_new": _rounded(shared.mean.new),
        "auc_public_only": _rounded(public.mean.overall),
        "auc_public_only_new": _rounded(public.mean.new),
        "auc_std": _rounded(shared.deviation.overall),
        "auc_worst_class": _rounded(shared.mean.worst),
        "seeds": question.seeds,
        "cpu_s": round(cpu_s, 2),
    }


def _rounded(value: float) -> float | None:
    return None if math.isnan(value) else round(value, 4)


def _corpus(question: Question) -> Corpus:
    if question.data == "20news":
        return datasets.twenty_news()
    if question.data == "reuters":
        return datasets.reuters()
    if question.data == "work-orders":
        columns = Columns(text=TEXT_COLUMN, label=LABEL_COLUMN, provider=PROVIDER_COLUMN)
        return datasets.work_orders(list(read_documents(work_orders(), columns)), categories=question.categories)
    grouping = question.split_column or question.provider_column
    columns = Columns(text=question.text_column, label=question.label_column, provider=grouping)
    documents = list(read_documents(question.data, columns))
    if question.split_column is None:
        return datasets.work_orders(documents, categories=question.categories)
    return _split(question, documents)


def _split(question: Question, documents: Sequence[Document]) -> Corpus:
    """Train on 'train'; every other document of 'test' is the public pool, the rest is measured on."""
    counted = Counter(d.label for d in documents if d.label and d.provider == "train")
    labels = sorted(label for label, _ in counted.most_common(question.categories))
    test = [document for document in documents if document.provider == "test" and document.label in labels]
    train = [document for document in documents if document.provider == "train" and document.label in labels]
    if not test or not train:
        raise InputError(
            f"column {question.split_column!r} has {len(train)} rows 'train' and {len(test)} rows 'test'",
            code="bad-split",
            hint="the column must say train or test",
        )
    return Corpus(
        name=Path(question.data).name,
        categories=tuple(Category(label=label, name=label) for label in labels),
        pool=tuple(document.text for document in test[::2]),
        private=tuple(train),
        evaluated=tuple(test[1::2]),
    )


def _require_rounds(question: Question, using: Learner | None) -> None:
    """Refuse rounds, and a chain, where the learner has only one round."""
    if (question.mode == "chain" or (question.rounds or 1) > 1) and (using is None or using.rounds == 1):
        raise InputError(
            f"{question.learner!r} learns in one round, and in a chain makes the same model as in parallel",
            code="no-rounds",
            hint="use --learner softmax",
        )


def _numbers(text: str, option: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise InputError(f"{option} takes whole numbers with commas, not {text!r}", code="bad-option") from None


def _figure(value: object) -> str:
    return "" if value is None else str(value)
