"""Every order of events of a small session, visited once, and what it breaks."""

from __future__ import annotations

import time

import click

from comitia.app.output import console, emit, format_option, table
from comitia.simulator.exhaustive import Explored, Search


@click.command()
@click.option("--liar/--silent", default=True, show_default=True, help="What the fourth member does.")
@click.option("--crashes", type=click.IntRange(0, 3), default=0, show_default=True, help="How many there may be.")
@click.option(
    "--most", type=click.IntRange(0), default=0, show_default=True, help="Stop after so many states; 0: never."
)
@format_option
def exhaustive(liar: bool, crashes: int, most: int, output: str) -> None:
    """Visit every state of one session of four members, one of whom lies or is silent.

    The exit status is 1 if a promise was broken, or if the search was stopped before its end.
    """
    began = time.process_time()
    with console(stderr=True).status("searching") as status:
        explored = Search(liar=liar, crashes=crashes, most=most).run(lambda count: status.update(f"{count:,} states"))
    seconds = time.process_time() - began
    figures = {
        "liar": liar,
        "crashes": crashes,
        "states": explored.states,
        "moves": explored.moves,
        **explored.ends,
        "broken": list(explored.broken),
        "cpu_seconds": round(seconds, 1),
    }
    emit(figures, output, lambda: _render(explored, seconds))
    if explored.broken:
        raise click.exceptions.Exit(1)


def _render(explored: Explored, seconds: float) -> None:
    rows = [("states", explored.states), ("moves", explored.moves), *explored.ends.items()]
    table(f"every order of events, {seconds:.0f} CPU seconds", ("of what", "how many"), rows)
    for text in explored.broken:
        click.echo(text)
    click.echo(f"{len(explored.broken)} promises broken")
