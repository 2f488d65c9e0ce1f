"""What sharing is worth on a user's own documents; the measuring itself is `evaluation.learning`."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from comitia.app.demo.work_orders import LABEL_COLUMN, PROVIDER_COLUMN, TEXT_COLUMN, work_orders
from comitia.core.errors import InputError
from comitia.evaluation import datasets
from comitia.evaluation.datasets import Corpus
from comitia.evaluation.learning import Setting, Summary, run_learning, summarise
from comitia.learning.registry import learner
from comitia.privacy.noise import SystemNoise
from comitia.storage.documents import Columns, read_documents
from comitia.text.categories import Category
from comitia.text.documents import Document


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


def measure(question: Question, *, say: Callable[[str], None] = lambda _: None) -> Iterator[dict[str, Any]]:
    """One set of figures for each number of providers, of references, and epsilon.

    Raises
    ------
    InputError
        For documents, options or epsilons that cannot be.
    """
    corpus = _corpus(question)
    using = learner(question.learner)
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
            )
            start = time.process_time()
            public, *shared = summarise(run_learning(corpus, setting, learner=using, noise=SystemNoise()))
            cpu_s = time.process_time() - start
            for summary in shared:
                yield _figures(question, corpus, setting, public, summary, cpu_s)


def _figures(
    question: Question, corpus: Corpus, setting: Setting, public: Summary, shared: Summary, cpu_s: float
) -> dict[str, Any]:
    return {
        "dataset": corpus.name,
        "learner": question.learner,
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
