"""What bad work the committee finds; the measuring itself is `evaluation.attacks`."""

from __future__ import annotations

from dataclasses import asdict
from itertools import product
from typing import Any

import click
from rich.status import Status

from comitia.app.bench.corpora import read_corpus
from comitia.app.output import console, emit_each, format_option, table
from comitia.evaluation.attacks import ATTACKS, Battle, Outcome, fight
from comitia.evaluation.own_data import OwnData
from comitia.evaluation.prepared import Prepared
from comitia.privacy.noise import SystemNoise

SHOWN = {
    "attack": "attack",
    "bad_found": "found",
    "bad_accepted": "accepted",
    "bad_unverifiable": "unverifiable",
    "honest_rejected": "honest rejected",
    "honest_unverifiable": "honest unverifiable",
    "auc_drop": "AUC lost",
    "auc_drop_unverified": "with unverified",
}
"""Figures of the table, and what they are called there."""


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
@click.option(
    "--categories",
    type=click.IntRange(min=2),
    default=8,
    show_default=True,
    help="The most frequent labels of each but 20news.",
)
@click.option("--attack", "attacks", multiple=True, type=click.Choice(list(ATTACKS)), help="Several; else all.")
@click.option(
    "--partition", "partitions", multiple=True, default=("sorted",), help="sorted, iid, dirichlet:A; several."
)
@click.option("--providers", type=click.IntRange(min=2), default=9, show_default=True)
@click.option("--malicious", type=click.IntRange(min=0), default=3, show_default=True)
@click.option("--epsilon", default="1", show_default=True)
@click.option("--names/--no-names", default=True, show_default=True)
@click.option("--references", multiple=True, default=(0,), help="Open documents a category; several.")
@click.option("--kept-back", multiple=True, default=(0,), help="Documents a category a witness keeps back; several.")
@click.option(
    "--keepers", multiple=True, default=(1,), help="Witnesses that keep documents back, each its own; several."
)
@click.option("--seeds", default=20, show_default=True, type=click.IntRange(min=1))
@format_option
def attacks(
    data: str,
    text_column: str,
    label_column: str,
    split_column: str | None,
    categories: int,
    attacks: tuple[str, ...],
    partitions: tuple[str, ...],
    providers: int,
    malicious: int,
    epsilon: str,
    names: bool,
    references: tuple[int, ...],
    kept_back: tuple[int, ...],
    keepers: tuple[int, ...],
    seeds: int,
    output: str,
) -> None:
    """Measure which bad work is found, whom it costs, and what slips into the model.

    Malicious providers also lie as judges. In this process; no node is started.
    """
    battles = [
        Battle(
            partition=partition,
            providers=providers,
            malicious=malicious,
            epsilon=epsilon,
            names=names,
            references=opened,
            kept_back=kept,
            keepers=number,
        )
        for partition, opened, kept, number in product(partitions, references, kept_back, keepers)
    ]
    own = OwnData(source=data, text=text_column, label=label_column, split=split_column)
    with console(stderr=True).status("reading documents") as status:
        prepared = Prepared.of(read_corpus(own, categories))
        for battle in battles:
            found = emit_each(_figures(prepared, battle, attacks or tuple(ATTACKS), seeds, status), output)
            if output != "json":
                table(
                    _title(data, battle, seeds),
                    tuple(SHOWN.values()),
                    [[str(line[name]) for name in SHOWN] for line in found],
                )


def _title(data: str, battle: Battle, seeds: int) -> str:
    parts = [
        f"{data}, {battle.partition}: {battle.malicious} of {battle.providers} malicious, epsilon {battle.epsilon}"
    ]
    parts.append(f"{battle.references} references a category, {seeds} seeds")
    if battle.kept_back:
        parts.append(f"{battle.keepers} x {battle.kept_back} kept back")
    return ", ".join(parts)


def _figures(
    prepared: Prepared, battle: Battle, attacks: tuple[str, ...], seeds: int, status: Status
) -> list[dict[str, Any]]:
    """A line for each attack."""
    rows = []
    for seed in range(seeds):
        status.update(f"{battle.partition}, {battle.references} references, seed {seed + 1} of {seeds}")
        rows.append(fight(prepared, battle, attacks, seed=seed, noise=SystemNoise()))
    return [
        {
            "dataset": prepared.corpus.name,
            "attack": attack,
            **asdict(battle),
            "seeds": seeds,
            **{name: round(value, 4) for name, value in asdict(Outcome.of([row[attack] for row in rows])).items()},
        }
        for attack in attacks
    ]
