"""How well private profiles find providers; the measuring itself is `evaluation.retrieval.profiles`."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import click

from comitia.app.bench.corpora import read_corpora
from comitia.app.output import console, emit_each, format_option, table
from comitia.core.counting import counted
from comitia.core.telling import Say, silent
from comitia.evaluation.datasets import Corpus
from comitia.evaluation.retrieval.documents import DOCUMENTS, REFERENCES
from comitia.evaluation.retrieval.profiles import Found, Setting, measure_profiles
from comitia.privacy.noise import SystemNoise


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What `comitia bench profiles` was asked; fields as its options."""

    data: tuple[str, ...]
    text_column: str
    label_column: str
    categories: int
    setting: Setting
    seeds: int


@click.command()
@click.option(
    "--data", multiple=True, required=True, help="FILE, folder, pattern, '20news' or 'reuters'; repeat for several."
)
@click.option("--text-column", default="text", show_default=True)
@click.option("--label-column", default="label", show_default=True)
@click.option(
    "--categories", type=click.IntRange(min=1), default=20, show_default=True, help="The most frequent labels of each."
)
@click.option("--participants", type=click.IntRange(min=1), default=2000, show_default=True)
@click.option("--documents", nargs=2, type=int, default=DOCUMENTS, show_default=True, help="Fewest and most of each.")
@click.option(
    "--references",
    type=click.IntRange(min=1),
    default=REFERENCES,
    show_default=True,
    help="Public documents a category.",
)
@click.option("--epsilon", default="1", show_default=True, help="Of a profile; several with commas.")
@click.option("--check-epsilon", default="1", show_default=True, help="Of the self-check, besides.")
@click.option("--queries", type=click.IntRange(min=0), default=500, show_default=True, help="Text queries.")
@click.option("--seeds", type=click.IntRange(min=1), default=3, show_default=True)
@format_option
def profiles(
    data: tuple[str, ...],
    text_column: str,
    label_column: str,
    categories: int,
    participants: int,
    documents: tuple[int, int],
    references: int,
    epsilon: str,
    check_epsilon: str,
    queries: int,
    seeds: int,
    output: str,
) -> None:
    """Cut labelled documents into many small providers and find them by their private profiles.

    Recall and precision of category and of text queries, before and after the candidates check themselves.
    """
    question = Question(
        data=data,
        text_column=text_column,
        label_column=label_column,
        categories=categories,
        setting=Setting(
            participants=participants,
            documents=documents,
            references=references,
            epsilons=tuple(epsilon.split(",")),
            check_epsilon=check_epsilon,
            queries=queries,
        ),
        seeds=seeds,
    )
    with console(stderr=True).status("reading documents") as status:
        found = emit_each(measure(question, say=status.update), output)
    if output != "json":
        shown = ("epsilon", "query", "check", "recall", "precision", "related", "found")
        table(
            f"{', '.join(data)}: {participants} providers, {counted(seeds, 'seed')}",
            shown,
            [[value[name] for name in shown] for value in found],
        )


def measure(question: Question, *, say: Say = silent) -> Iterator[dict[str, Any]]:
    """One set of figures, means over the seeds, for each epsilon, kind of query and check."""
    corpus = read_corpora(question.data, question.text_column, question.label_column, question.categories)
    runs = [
        list(measure_profiles(corpus, question.setting, seed=seed, noise=SystemNoise(), say=say))
        for seed in range(question.seeds)
    ]
    for same in zip(*runs, strict=True):
        yield _figures(question, corpus, same)


def _figures(question: Question, corpus: Corpus, same: Sequence[Found]) -> dict[str, Any]:
    first = same[0]
    setting = question.setting
    means = {
        name: round(statistics.fmean(getattr(run, name) for run in same), 4)
        for name in ("recall", "precision", "related", "found")
    }
    deviations = {
        f"{name}_std": round(statistics.pstdev(getattr(run, name) for run in same), 4)
        for name in ("recall", "precision")
    }
    return {
        "dataset": corpus.name,
        "participants": setting.participants,
        "categories": len(corpus.categories),
        "documents": list(setting.documents),
        "epsilon": float(first.epsilon),
        "query": first.query,
        "check": first.check,
        "check_epsilon": float(setting.check_epsilon) if first.check == "noised" else None,
        **means,
        **deviations,
        "seeds": question.seeds,
    }
