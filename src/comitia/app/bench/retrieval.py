"""What finding providers reaches and costs, from a hundred participants to a million; see `evaluation.retrieval`."""

from __future__ import annotations

import time
from dataclasses import asdict

import click
import numpy as np

from comitia.app.output import console, emit, format_option, table
from comitia.core.errors import InputError
from comitia.evaluation.retrieval import Setting, Way, measure
from comitia.evaluation.retrieval_synthetic import synthetic
from comitia.privacy.terms import PrivacyTerms

SHOWN = (
    "participants",
    "related",
    "recall",
    "precision",
    "completeness",
    "messages",
    "rounds",
    "table_entries_mean",
    "join_messages",
    "seconds",
)


@click.command()
@click.option("--participants", default="10000", show_default=True, help="How many; several with commas.")
@click.option("--data", default="synthetic", show_default=True, help="synthetic.")
@click.option("--leaves", default=128, show_default=True, help="Of the synthetic codebook.")
@click.option("--epsilon", default="1", show_default=True, help="Of each profile.")
@click.option("--lookup", "way", type=click.Choice([way.value for way in Way]), default="overlay", show_default=True)
@click.option("--most", type=click.IntRange(min=1), help="How many providers are enough. Default: all.")
@click.option("--dead", default=0.0, show_default=True, help="Share of participants that are silent.")
@click.option("--malicious", default=0.0, show_default=True, help="Share that forges buckets and misleads.")
@click.option("--lookups", default=200, show_default=True)
@click.option("--seeds", default=1, show_default=True)
@format_option
def retrieval(
    participants: str,
    data: str,
    leaves: int,
    epsilon: str,
    way: str,
    most: int | None,
    dead: float,
    malicious: float,
    lookups: int,
    seeds: int,
    output: str,
) -> None:
    """Measure how well and at what cost providers are found among many.

    One line a number of participants and seed. In this process; every lookup runs the code that a node runs.
    """
    setting = Setting(way=Way(way), dead=dead, malicious=malicious, most=most, lookups=lookups)
    epsilon_micro = PrivacyTerms.of(epsilon).epsilon_micro
    found = []
    with console(stderr=True).status("drawing participants") as status:
        for count in _numbers(participants):
            for seed in range(seeds):
                generator = np.random.default_rng(seed)
                status.update(f"drawing {count} participants, seed {seed}")
                start = time.perf_counter()
                population = synthetic(count, leaves, epsilon_micro, generator)
                figures = measure(population, setting, generator, say=status.update)
                value = {
                    "participants": count,
                    "data": data,
                    "leaves": len(population.codes),
                    "epsilon": float(epsilon),
                    "lookup": way,
                    "most": most,
                    "dead": dead,
                    "malicious": malicious,
                    "lookups": lookups,
                    "seed": seed,
                    **{name: round(figure, 4) for name, figure in asdict(figures).items()},
                    "seconds": round(time.perf_counter() - start, 2),
                }
                found.append(value)
                if output == "json":
                    emit(value, output, lambda: None)
    if output == "text":
        table(f"{data}, {way}", SHOWN, [[value[name] for name in SHOWN] for value in found])


def _numbers(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise InputError(f"--participants takes whole numbers with commas, not {text!r}", code="bad-option") from None
