"""What finding providers reaches and costs, from a hundred participants to a million; cf. `evaluation.retrieval`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from math import isnan
from pathlib import Path
from typing import Any, Final

import click
import numpy as np

from comitia.app.bench.corpora import read_corpora
from comitia.app.drawing.charts import Chart, Curve
from comitia.app.drawing.files import require_chart, write_charts
from comitia.app.options import whole_numbers
from comitia.app.output import console, emit_each, format_option, table
from comitia.core.errors import InputError
from comitia.core.telling import Say, silent
from comitia.evaluation.retrieval.documents import collect, deal
from comitia.evaluation.retrieval.lookups import Setting, Way, measure
from comitia.evaluation.retrieval.population import Population
from comitia.evaluation.retrieval.synthetic import synthetic
from comitia.privacy.terms import PrivacyTerms

SYNTHETIC: Final = "synthetic"

_COSTS: Final = (
    ("messages", "messages a lookup"),
    ("rounds", "rounds"),
    ("table_entries_mean", "table entries"),
    ("join_messages", "messages to join"),
)

TITLE: Final = "What finding providers costs"

_SHOWN: Final = (
    "participants",
    "recall",
    "precision",
    "completeness",
    "messages",
    "rounds",
    "table_entries_mean",
    "join_messages",
    "seconds",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What `comitia bench retrieval` was asked; fields as its options."""

    participants: tuple[int, ...]
    data: tuple[str, ...]
    text_column: str
    label_column: str
    categories: int
    leaves: int
    epsilon: str
    setting: Setting
    seeds: int


@click.command()
@click.option("--participants", default="10000", show_default=True, help="How many; several with commas.")
@click.option(
    "--data",
    multiple=True,
    default=(SYNTHETIC,),
    show_default=True,
    help="synthetic; FILE, folder, pattern, '20news' or 'reuters'; repeat for several.",
)
@click.option("--text-column", default="text", show_default=True)
@click.option("--label-column", default="label", show_default=True)
@click.option(
    "--categories", type=click.IntRange(min=1), default=20, show_default=True, help="The most frequent labels of each."
)
@click.option("--leaves", type=click.IntRange(min=4), default=128, show_default=True, help="Of the synthetic codebook.")
@click.option("--epsilon", default="1", show_default=True, help="Of each profile, and of each self-check besides.")
@click.option("--lookup", "way", type=click.Choice([way.value for way in Way]), default="overlay", show_default=True)
@click.option("--most", type=click.IntRange(min=1), help="How many providers are enough. Default: all.")
@click.option("--dead", type=click.FloatRange(0, 1), default=0.0, show_default=True, help="Share that is silent.")
@click.option("--malicious", type=click.FloatRange(0, 1), default=0.0, show_default=True, help="Share that lies.")
@click.option("--churn", type=click.FloatRange(0, 1), default=0.0, help="Share that leaves, and joins, in an epoch.")
@click.option("--epochs", type=click.IntRange(min=1), default=5, show_default=True, help="With --churn.")
@click.option("--lookups", type=click.IntRange(min=1), default=200, show_default=True)
@click.option("--same-leaf", is_flag=True, help="All lookups for one leaf, not for random ones.")
@click.option("--seeds", type=click.IntRange(min=1), default=1, show_default=True)
@click.option("--plot", type=click.Path(path_type=Path, dir_okay=False), help="Draw cost over participants (SVG, PNG).")
@format_option
def retrieval(
    participants: str,
    data: tuple[str, ...],
    text_column: str,
    label_column: str,
    categories: int,
    leaves: int,
    epsilon: str,
    way: str,
    most: int | None,
    dead: float,
    malicious: float,
    churn: float,
    epochs: int,
    lookups: int,
    same_leaf: bool,
    seeds: int,
    plot: Path | None,
    output: str,
) -> None:
    """Measure how well and at what cost providers are found among many.

    One line for each number of participants and seed. In this process; every lookup runs the code that a node runs.
    """
    if plot is not None:
        require_chart(plot)
    if dead + malicious > 1:
        raise InputError(f"{dead:g} dead and {malicious:g} malicious are more than all", code="bad-option")
    setting = Setting(
        way=Way(way),
        dead=dead,
        malicious=malicious,
        most=most,
        lookups=lookups,
        same_leaf=same_leaf,
        churn=churn,
        epochs=epochs if churn else 1,
    )
    question = Question(
        participants=whole_numbers(participants, "--participants", least=10),
        data=data,
        text_column=text_column,
        label_column=label_column,
        categories=categories,
        leaves=leaves,
        epsilon=epsilon,
        setting=setting,
        seeds=seeds,
    )
    with console(stderr=True).status("drawing participants") as status:
        found = emit_each(measure_all(question, say=status.update), output)
    if plot is not None:
        write_charts(plot, charts(found), title=TITLE)
    if output == "text":
        headings = [name.replace("_", " ") for name in _SHOWN]
        table(f"{', '.join(data)}, {way}", headings, [[value[name] for name in _SHOWN] for value in found])


def measure_all(question: Question, *, say: Say = silent) -> Iterator[dict[str, Any]]:
    """One set of figures for each number of participants and seed.

    Raises
    ------
    InputError
        For documents or an epsilon that cannot be.
    """
    PrivacyTerms.of(question.epsilon)
    setting = question.setting
    for seed in range(question.seeds):
        generator = np.random.default_rng(seed)
        draw = _drawer(question, generator, say)
        for count in question.participants:
            start = time.perf_counter()
            say(f"drawing {count} participants, seed {seed}")
            population = draw(round(count * (1 + setting.churn * setting.epochs)))
            figures = asdict(measure(population, setting, generator, say=say))
            yield {
                "participants": count,
                "data": ", ".join(Path(name).name for name in question.data),
                "leaves": len(population.codes),
                "epsilon": float(question.epsilon),
                "lookup": setting.way.value,
                "most": setting.most,
                "dead": setting.dead,
                "malicious": setting.malicious,
                "churn": setting.churn,
                "epochs": setting.epochs,
                "lookups": setting.lookups,
                "same_leaf": setting.same_leaf,
                "seed": seed,
                **{
                    name: None if figure is None or isnan(figure) else round(figure, 4)
                    for name, figure in figures.items()
                },
                "seconds": round(time.perf_counter() - start, 2),
            }


def _drawer(question: Question, generator: np.random.Generator, say: Say) -> Callable[[int], Population]:
    """Draws participants of the data in question; a codebook is built only once."""
    if question.data == (SYNTHETIC,):
        epsilon_micro = PrivacyTerms.of(question.epsilon).epsilon_micro
        return lambda count: synthetic(count, question.leaves, epsilon_micro, generator)
    corpus = read_corpora(question.data, question.text_column, question.label_column, question.categories)
    collection = collect(corpus, generator, say=say)
    return lambda count: deal(collection, count, question.epsilon, generator)


def charts(figures: Sequence[Mapping[str, Any]]) -> list[Chart]:
    """Mean costs over participants, a chart each."""

    def chart(name: str, label: str) -> Chart:
        by_count: dict[int, list[float]] = {}
        for value in figures:
            if value[name] is not None:
                by_count.setdefault(value["participants"], []).append(value[name])
        means = tuple((count, sum(found) / len(found)) for count, found in sorted(by_count.items()))
        curves = (Curve(name="mean", points=means),) if means else ()
        return Chart(x="participants", y=label, curves=curves, log_x=True, from_zero=True)

    return [chart(name, label) for name, label in _COSTS]
