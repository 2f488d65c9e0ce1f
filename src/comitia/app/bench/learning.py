"""What sharing is worth on a user's own documents; the measuring itself is `evaluation.learning`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import click

from comitia.app.bench.learning_areas import measure_areas
from comitia.app.bench.learning_numbers import measure_numbers
from comitia.app.bench.learning_question import CHAIN, COLUMN, ENCODER_AND_POOL, LABELS, PARALLEL, WORK_ORDERS, Question
from comitia.app.options import whole_numbers
from comitia.app.output import console, emit_each, format_option, table
from comitia.core.counting import counted
from comitia.core.telling import Say, silent
from comitia.evaluation.learning import NO_NOISE
from comitia.evaluation.own_data import PARTS, OwnData
from comitia.learning.worth import ENOUGH
from comitia.text.vectors import Source

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
@click.option(
    "--categories", type=click.IntRange(min=2), default=8, show_default=True, help="The most frequent labels."
)
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
@click.option(
    "--new-classes",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Categories of which nothing is public.",
)
@click.option("--epsilon", default="1", show_default=True, help="Several with commas; inf: all documents public.")
@click.option(
    "--basis",
    type=click.Choice([*(source.value for source in Source), ENCODER_AND_POOL]),
    default=Source.POOL.value,
    show_default=True,
    help="What vectors are made from; without 'pool' in it, no public document is used.",
)
@click.option("--pure", is_flag=True, help="Pure epsilon, without a delta; not every learner has it.")
@click.option("--seeds", type=click.IntRange(min=1), default=5, show_default=True)
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
        found = emit_each(measure(question, say=status.update), output)
    if output == "json":
        return
    columns = AREA_COLUMNS if target is None else NUMBER_COLUMNS
    shown = [name for name in columns if any(value[name] is not None for value in found)]
    table(
        f"{data}, {partition}, {counted(seeds, 'seed')}",
        shown,
        [[_figure(value[name]) for name in shown] for value in found],
    )
    if target is not None:
        return
    gains = [value["auc"] - value["auc_public_only"] for value in found if value["epsilon"] != NO_NOISE]
    if gains and max(gains) < ENOUGH:
        click.echo(f"Public knowledge is enough: sharing adds {max(0.0, *gains):.3f} to its AUC at most.")


def measure(question: Question, *, say: Say = silent) -> Iterator[dict[str, Any]]:
    """One set of figures for each number of providers, of references, and epsilon.

    Raises
    ------
    InputError
        For documents, options or epsilons that cannot be.
    """
    if question.target is not None:
        yield from measure_numbers(question, question.target, say)
    else:
        yield from measure_areas(question, say)


def _figure(value: object) -> str:
    if isinstance(value, list):
        return " to ".join(f"+{figure}" for figure in value)
    return "" if value is None else str(value)
