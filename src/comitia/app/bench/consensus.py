"""What agreement costs, and what it is worth where somebody does not play by the rules; see `evaluation.consensus`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import click

from comitia.app.output import console, emit, format_option, table
from comitia.core.errors import ConfigurationError, InputError
from comitia.evaluation.consensus import Conduct, Cost, baselines, run_baseline, run_poq

SMALLEST: Final = 3
LARGEST: Final = 50
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
    sizes, difficulties = _numbers(providers, "--providers"), _numbers(bits, "--bits")
    if not all(SMALLEST <= size <= LARGEST for size in sizes):
        raise InputError(f"committees of {SMALLEST} to {LARGEST} are compared", code="bad-size", given=providers)
    if not all(0 <= difficulty <= 32 for difficulty in difficulties):
        raise InputError("a difficulty of 0 to 32 bits can be waited for", code="bad-difficulty", given=bits)
    if plot is not None:
        _plotting()
    costs = []
    with console(stderr=True).status("agreeing") as status:
        for cost in measure(sizes, difficulties, say=status.update):
            costs.append(cost)
            if output == "json":
                emit(_figures(cost), output, lambda: None)
    if output != "json":
        _show(costs)
    if plot is not None:
        _draw(costs, plot)


def measure(
    sizes: Sequence[int], bits: Sequence[int], *, say: Callable[[str], None] = lambda _: None
) -> Iterator[Cost]:
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


def _numbers(text: str, option: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise InputError(f"{option} takes numbers with commas, not {text!r}", code="bad-number") from None


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


def _plotting() -> Any:
    try:
        import matplotlib
    except ImportError as error:
        raise ConfigurationError(
            "drawing needs matplotlib, which is not installed",
            code="extra-missing",
            hint="pip install 'comitia[plots]', or leave --plot out and take --format json",
        ) from error
    matplotlib.use("agg")
    from matplotlib import pyplot

    return pyplot


def _draw(costs: Sequence[Cost], path: Path) -> None:
    """CPU time and bytes against the committee's size, both on logarithmic scales."""
    pyplot = _plotting()
    figure, axes = pyplot.subplots(1, 2, figsize=(11, 4.5), layout="constrained")
    honest = [cost for cost in costs if cost.conduct is Conduct.HONEST]
    for axis, name, unit in ((axes[0], "cpu_s", "CPU time of all members, s"), (axes[1], "sent_bytes", "bytes sent")):
        for protocol in dict.fromkeys(cost.protocol for cost in honest):
            line = [cost for cost in honest if cost.protocol == protocol]
            axis.plot([c.providers for c in line], [getattr(c, name) for c in line], marker="o", label=protocol)
        axis.set(xlabel="providers", ylabel=unit, xscale="log", yscale="log")
    axes[0].legend(fontsize="small")
    figure.suptitle(f"One block, by Comitia's bench consensus, {time.strftime('%Y-%m-%d')}")
    figure.savefig(path)
    pyplot.close(figure)
