"""AUC of public knowledge and of shared models, as `comitia bench learning` was asked for it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from comitia.app.bench.corpora import read_work_orders
from comitia.app.bench.learning_question import CHAIN, DELTA, ENCODER_AND_POOL, LABELS, NO_NAMES, Question
from comitia.app.codebooks import read_categories
from comitia.core.errors import InputError
from comitia.core.telling import Say
from comitia.evaluation import baselines
from comitia.evaluation.datasets import Corpus
from comitia.evaluation.learning import NO_NOISE, Setting, Summary, run_learning, summarise
from comitia.evaluation.own_data import OwnData
from comitia.evaluation.prepared import Prepared
from comitia.learning.contract import Learner
from comitia.learning.feasible import require_pure
from comitia.learning.registry import learner, why_no_rounds
from comitia.ledger.transactions import MAX_ROUNDS
from comitia.privacy.noise import SystemNoise
from comitia.privacy.terms import PrivacyTerms
from comitia.storage.encoder import load_encoder
from comitia.text.build import BuildSettings
from comitia.text.categories import Category
from comitia.text.vectors import Source


def measure_areas(question: Question, say: Say) -> Iterator[dict[str, Any]]:
    """One set of figures for each number of providers, of references, and epsilon."""
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
