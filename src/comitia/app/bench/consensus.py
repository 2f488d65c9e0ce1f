"""What agreement costs, and what it is worth where somebody does not play by the rules; see `evaluation.consensus`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import click

from comitia.app.drawing.charts import Chart, Curve
from comitia.app.drawing.files import require_chart, write_charts
from comitia.app.options import whole_numbers
from comitia.app.output import console, emit, format_option, table
from comitia.core.telling import Say, silent
from comitia.evaluation.consensus import Conduct, Cost, baselines, run_baseline, run_poq

SMALLEST: Final = 3
LARGEST: Final = 50
TITLE: Final = "One block, everybody honest"
HARDEST: Final = 32
"""Bits of a proof of work that anyone would wait for."""
ODD_CASES_AT_MOST_BITS: Final = 16
"""Misconduct under proof of work is shown at this difficulty and below: it does not depend on it."""


@click.command()
@click.option("--providers", default="3,4,9,16,31,50", show_default=True, help="Sizes of the committee.")
@click.option("--bits", default="16,20,24", show_default=True, help="Difficulties of proof of work.")
@click.option("--plot", type=click.Path(dir_okay=False, path_type=Path), help="Draw the figures to this file.")
@format_option
def consensus(providers: str, bits: str, plot: Path | None, output: str) -> None:
    """Compare ways to agree on a block: CPU, messages, bytes, and what misconduct brings.

    Proof of Training Quality, the same as the paper prints it, a plain two-phase vote, and proof of work. Nobody
    trains; no network is in between. One line is one block.
    """
    sizes = whole_numbers(providers, "--providers", least=SMALLEST, most=LARGEST)
    difficulties = whole_numbers(bits, "--bits", least=0, most=HARDEST)
    if plot is not None:
        require_chart(plot)
    costs = []
    with console(stderr=True).status("agreeing") as status:
        for cost in measure(sizes, difficulties, say=status.update):
            costs.append(cost)
            emit(_figures(cost), output, lambda: None)
    if output != "json":
        _show(costs)
    if plot is not None:
        write_charts(plot, charts(costs), title=TITLE)


def measure(sizes: Sequence[int], bits: Sequence[int], *, say: Say = silent) -> Iterator[Cost]:
    """Every protocol at every size, honest and with one odd member."""
    for size in sizes:
        for conduct in Conduct:
            say(f"{size} providers, {conduct}: PoQ")
            yield run_poq(size, conduct)
            for baseline in baselines(bits if conduct is Conduct.HONEST else _easy(bits)):
                say(f"{size} providers, {conduct}: {baseline.name}")
                yield run_baseline(baseline, size, conduct)


def _easy(bits: Sequence[int]) -> list[int]:
    return [difficulty for difficulty in bits if difficulty <= ODD_CASES_AT_MOST_BITS][:1]


def _figures(cost: Cost) -> dict[str, Any]:
    rounded = {name: round(value, 5) if isinstance(value, float) else value for name, value in asdict(cost).items()}
    return {**rounded, "conduct": cost.conduct.value}


def _show(costs: Sequence[Cost]) -> None:
    honest = [cost for cost in costs if cost.conduct is Conduct.HONEST]
    table(
        "one block, everybody honest",
        ("providers", "protocol", "CPU ms", "wall ms", "messages", "kB", "votes' signatures ms"),
        [
            (
                cost.providers,
                cost.protocol,
                round(1e3 * cost.cpu_s, 1),
                round(1e3 * cost.wall_s, 1),
                cost.messages,
                round(cost.sent_bytes / 1e3, 1),
                round(cost.vote_crypto_ms, 2) if cost.vote_crypto_ms else "",
            )
            for cost in honest
        ],
    )
    table(
        "one odd member",
        ("providers", "protocol", "it is", "block", "it gains", "timeouts"),
        [
            (
                cost.providers,
                cost.protocol,
                cost.conduct.value,
                "yes" if cost.sealed else f"no: {cost.reason}",
                "yes" if cost.misled else "no",
                cost.waits,
            )
            for cost in costs
            if cost.conduct is not Conduct.HONEST
        ],
    )


def charts(costs: Sequence[Cost]) -> list[Chart]:
    """CPU time and bytes against the committee's size, both on logarithmic scales."""
    honest = [cost for cost in costs if cost.conduct is Conduct.HONEST]

    def chart(name: str, unit: str) -> Chart:
        curves = tuple(
            Curve(
                name=protocol,
                points=tuple((cost.providers, getattr(cost, name)) for cost in honest if cost.protocol == protocol),
            )
            for protocol in dict.fromkeys(cost.protocol for cost in honest)
        )
        return Chart(x="providers", y=unit, curves=curves, log_x=True, log_y=True)

    return [chart("cpu_s", "CPU time of all members, s"), chart("sent_bytes", "bytes sent")]
