"""What an observer of the ledger learns from profiles; the attacks are `evaluation.profile_attacks`."""

from __future__ import annotations

from dataclasses import asdict

import click

from comitia.app.demo.work_orders import LABEL_COLUMN, TEXT_COLUMN, work_orders
from comitia.app.output import console, emit, format_option, table
from comitia.evaluation import datasets
from comitia.evaluation.datasets import Corpus
from comitia.evaluation.profile_attacks import attack_profiles
from comitia.privacy.noise import SystemNoise
from comitia.storage.documents import Columns, read_documents


@click.command()
@click.option("--data", required=True, help="FILE, folder or pattern; '20news', 'reuters' or 'work-orders'.")
@click.option("--text-column", default="text", show_default=True)
@click.option("--label-column", default="label", show_default=True)
@click.option("--categories", default=20, show_default=True, help="The most frequent labels.")
@click.option("--providers", default=50, show_default=True)
@click.option("--documents", default=100, show_default=True, help="Of each provider.")
@click.option("--epsilon", default="0.5,1,2", show_default=True, help="Several with commas.")
@click.option("--seed", default=0, show_default=True)
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
        leaks = [
            {"dataset": data, "providers": providers, "documents": documents, **asdict(leak)}
            for leak in attack_profiles(
                _corpus(data, Columns(text=text_column, label=label_column), categories),
                providers=providers,
                documents=documents,
                epsilons=tuple(epsilon.split(",")),
                seed=seed,
                noise=SystemNoise(),
                say=status.update,
            )
        ]
    rounded = [
        {name: round(value, 4) if isinstance(value, float) else value for name, value in leak.items()} for leak in leaks
    ]
    for value in rounded if output == "json" else ():
        emit(value, output, lambda: None)
    if output != "json":
        shown = ("scheme", "terms_recovered", "guesses", "certain", "membership", "membership_bound", "attack_ms")
        table(
            f"{data}: {providers} providers of {documents} documents",
            [name.replace("_", " ") for name in shown],
            [[value[name] for name in shown] for value in rounded],
        )


def _corpus(data: str, columns: Columns, categories: int) -> Corpus:
    if data == "20news":
        return datasets.twenty_news()
    if data == "reuters":
        return datasets.reuters(topics=categories)
    if data == "work-orders":
        columns = Columns(text=TEXT_COLUMN, label=LABEL_COLUMN)
        return datasets.work_orders(list(read_documents(work_orders(), columns)), categories=categories)
    return datasets.work_orders(list(read_documents(data, columns)), categories=categories)
