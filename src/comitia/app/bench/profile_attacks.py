"""What an observer of the ledger learns from profiles; the attacks are `evaluation.retrieval.attacks`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click

from comitia.app.bench.corpora import read_corpora
from comitia.app.output import console, emit_each, format_option, table
from comitia.evaluation.retrieval.attacks import Leak, attack_profiles
from comitia.privacy.noise import SystemNoise


@click.command()
@click.option("--data", required=True, help="FILE, folder or pattern; '20news', 'reuters' or 'work-orders'.")
@click.option("--text-column", default="text", show_default=True)
@click.option("--label-column", default="label", show_default=True)
@click.option(
    "--categories", type=click.IntRange(min=1), default=20, show_default=True, help="The most frequent labels."
)
@click.option("--providers", type=click.IntRange(min=1), default=50, show_default=True)
@click.option("--documents", type=click.IntRange(min=1), default=100, show_default=True, help="Of each provider.")
@click.option("--epsilon", default="0.5,1,2", show_default=True, help="Several with commas.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@format_option
def profile_attacks(
    data: str,
    text_column: str,
    label_column: str,
    categories: int,
    providers: int,
    documents: int,
    epsilon: str,
    seed: int,
    output: str,
) -> None:
    """Attack what providers publish to be found: hashed terms, MinHash, and the private profile.

    One attacker has a dictionary and names the provider's key terms. The other knows all documents but one, and
    chooses between two for that one; under differential privacy it is right at most e^epsilon / (1 + e^epsilon) of
    the time.
    """
    with console(stderr=True).status("reading documents") as status:
        leaks = attack_profiles(
            read_corpora([data], text_column, label_column, categories),
            providers=providers,
            documents=documents,
            epsilons=tuple(epsilon.split(",")),
            seed=seed,
            noise=SystemNoise(),
            say=status.update,
        )
        found = emit_each(
            ({"dataset": data, "providers": providers, "documents": documents, **_rounded(leak)} for leak in leaks),
            output,
        )
    if output != "json":
        shown = ("scheme", "terms_recovered", "guesses", "certain", "membership", "membership_bound", "attack_ms")
        table(
            f"{data}: {providers} providers of {documents} documents",
            [name.replace("_", " ") for name in shown],
            [[value[name] for name in shown] for value in found],
        )


def _rounded(leak: Leak) -> dict[str, Any]:
    return {name: round(value, 4) if isinstance(value, float) else value for name, value in asdict(leak).items()}
