"""Errors of predicted numbers, Eq. (6), as `comitia bench learning --target` was asked for them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from comitia.app.bench.learning_question import DELTA, PARALLEL, WORK_ORDERS, Question
from comitia.app.demo.work_orders import COST_COLUMN, PROVIDER_COLUMN, TEXT_COLUMN, work_orders
from comitia.core.errors import InputError
from comitia.core.telling import Say
from comitia.evaluation import datasets
from comitia.evaluation.learning import NO_NOISE
from comitia.evaluation.own_data import OwnData
from comitia.evaluation.regression import Errors, run_regression
from comitia.learning.bins import BinnedTarget
from comitia.privacy.noise import SystemNoise
from comitia.storage.columns import Columns
from comitia.storage.documents import read_documents
from comitia.text.documents import Document
from comitia.text.target import parse_edges
from comitia.text.vectors import Source


def measure_numbers(question: Question, target: str, say: Say) -> Iterator[dict[str, Any]]:
    """One set of figures for each number of providers and epsilon."""
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


def _numbered(data: OwnData | None) -> list[Document]:
    if data is not None:
        return data.documents()
    columns = Columns(text=TEXT_COLUMN, label=COST_COLUMN, provider=PROVIDER_COLUMN)
    return datasets.work_order_costs(list(read_documents(work_orders(), columns)))


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
