"""What bad work the committee finds; the measuring itself is `evaluation.attacks`."""

from __future__ import annotations

from dataclasses import asdict

import click

from comitia.app.demo.work_orders import LABEL_COLUMN, PROVIDER_COLUMN, TEXT_COLUMN, work_orders
from comitia.app.output import console, emit, format_option, table
from comitia.evaluation import datasets
from comitia.evaluation.attacks import ATTACKS, Battle, Outcome, fight
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
    "auc_drop_unverified",
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
@click.option("--keepers", default=1, show_default=True, help="Witnesses that keep documents back, each its own.")
@click.option("--seeds", default=20, show_default=True, type=click.IntRange(min=1))
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
    keepers: int,
    seeds: int,
    output: str,
) -> None:
    """Measure which bad work is found, whom it costs, and what slips into the model.

    Malicious providers also lie as judges. In this process; no node is started.
    """
    battle = Battle(
        partition=partition,
        providers=providers,
        malicious=malicious,
        epsilon=epsilon,
        names=names,
        references=references,
        kept_back=kept_back,
        keepers=keepers,
    )
    own = OwnData(source=data, text=text_column, label=label_column, split=split_column)
    chosen = attacks or tuple(ATTACKS)
    with console(stderr=True).status("reading documents") as status:
        prepared = Prepared.of(_corpus(own, categories))
        rows = []
        for seed in range(seeds):
            status.update(f"{len(chosen)} attacks, seed {seed + 1} of {seeds}")
            rows.append(fight(prepared, battle, chosen, seed=seed, noise=SystemNoise()))
    found = [
        {
            "dataset": prepared.corpus.name,
            "attack": attack,
            **asdict(battle),
            "seeds": seeds,
            **{name: round(value, 4) for name, value in asdict(Outcome.of([row[attack] for row in rows])).items()},
        }
        for attack in chosen
    ]
    if output == "json":
        for line in found:
            emit(line, output, lambda: None)
        return
    title = f"{data}, {malicious} of {providers} malicious, {partition}, epsilon {epsilon}, {seeds} seeds"
    table(title, SHOWN, [[str(line[name]) for name in SHOWN] for line in found])


def _corpus(own: OwnData, categories: int) -> Corpus:
    if own.source == "20news":
        return datasets.twenty_news()
    if own.source == "reuters":
        return datasets.reuters()
    if own.source != "work-orders":
        return own.read(most=categories, known=None)
    columns = Columns(text=TEXT_COLUMN, label=LABEL_COLUMN, provider=PROVIDER_COLUMN)
    return datasets.work_orders(list(read_documents(work_orders(), columns)))
