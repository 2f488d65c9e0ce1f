"""What bad work the committee finds; the measuring itself is `evaluation.attacks`."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

import click

from comitia.app.demo.work_orders import LABEL_COLUMN, PROVIDER_COLUMN, TEXT_COLUMN, work_orders
from comitia.app.output import console, emit, format_option, table
from comitia.evaluation import datasets
from comitia.evaluation.attacks import ATTACKS, Battle, run_attacks
from comitia.evaluation.datasets import Corpus
from comitia.evaluation.learning import Prepared
from comitia.evaluation.own_data import OwnData
from comitia.privacy.noise import SystemNoise
from comitia.storage.documents import Columns, read_documents

SHOWN = (
    "attack",
    "bad_found",
    "bad_accepted",
    "bad_unverifiable",
    "honest_rejected",
    "honest_unverifiable",
    "auc_drop",
)


@click.command()
@click.option(
    "--data",
    default="work-orders",
    show_default=True,
    help="FILE, folder or pattern; '20news', 'reuters' or 'work-orders' for those.",
)
@click.option("--text-column", default="text", show_default=True)
@click.option("--label-column", default="label", show_default=True, help="A list of several labels counts as none.")
@click.option("--split-column", help="Column with 'train' and 'test'; else a quarter is held out.")
@click.option("--categories", default=8, show_default=True, help="Of a file: the most frequent labels.")
@click.option("--attack", "attacks", multiple=True, type=click.Choice(list(ATTACKS)), help="Several; else all.")
@click.option("--partition", default="sorted", show_default=True, help="sorted, iid or dirichlet:A.")
@click.option("--providers", default=9, show_default=True)
@click.option("--malicious", default=3, show_default=True)
@click.option("--epsilon", default="1", show_default=True)
@click.option("--names/--no-names", default=True, show_default=True)
@click.option("--references", default=0, show_default=True, help="Open documents a category.")
@click.option("--kept-back", default=0, show_default=True, help="Documents a category that witnesses keep back.")
@click.option("--seeds", default=20, show_default=True)
@format_option
def attacks(
    data: str,
    text_column: str,
    label_column: str,
    split_column: str | None,
    categories: int,
    attacks: tuple[str, ...],
    partition: str,
    providers: int,
    malicious: int,
    epsilon: str,
    names: bool,
    references: int,
    kept_back: int,
    seeds: int,
    output: str,
) -> None:
    """Measure which bad work is found, whom it costs, and what slips into the model.

    Malicious providers also lie as judges. In this process; no node is started.
    """
    asked = Battle(
        attack="",
        partition=partition,
        providers=providers,
        malicious=malicious,
        epsilon=epsilon,
        names=names,
        references=references,
        kept_back=kept_back,
        seeds=tuple(range(seeds)),
    )
    own = OwnData(source=data, text=text_column, label=label_column, split=split_column)
    found = []
    with console(stderr=True).status("reading documents") as status:
        prepared = Prepared.of(_corpus(own, categories))
        for attack in attacks or tuple(ATTACKS):
            status.update(f"{attack}, {seeds} seeds")
            battle = replace(asked, attack=attack)
            found.append(_figures(prepared, battle))
            if output == "json":
                emit(found[-1], output, lambda: None)
    if output != "json":
        title = f"{data}, {malicious} of {providers} malicious, {partition}, epsilon {epsilon}, {seeds} seeds"
        table(title, SHOWN, [[str(line[name]) for name in SHOWN] for line in found])


def _figures(prepared: Prepared, battle: Battle) -> dict[str, Any]:
    outcome = run_attacks(prepared, battle, noise=SystemNoise())
    asked = {**asdict(battle), "seeds": len(battle.seeds)}
    figures = {name: round(value, 4) for name, value in asdict(outcome).items()}
    return {"dataset": prepared.corpus.name, **asked, **figures}


def _corpus(own: OwnData, categories: int) -> Corpus:
    if own.source == "20news":
        return datasets.twenty_news()
    if own.source == "reuters":
        return datasets.reuters()
    if own.source != "work-orders":
        return own.read(most=categories, known=None)
    columns = Columns(text=TEXT_COLUMN, label=LABEL_COLUMN, provider=PROVIDER_COLUMN)
    return datasets.work_orders(list(read_documents(work_orders(), columns)))
