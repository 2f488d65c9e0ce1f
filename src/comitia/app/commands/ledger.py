"""`comitia ledger blocks | show | audit | export`: who used whose data, for what, when, at what epsilon."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from comitia.app.output import emit, format_option, table

if TYPE_CHECKING:
    from comitia.app.audit import Chronicle

_FOLDER = click.argument(
    "folder", metavar="[DIR]", type=click.Path(path_type=Path, exists=True, file_okay=False), default=Path()
)


@click.group()
def ledger() -> None:
    """Read the ledger that the node in DIR (default: here) keeps; the node may run meanwhile."""


@ledger.command()
@_FOLDER
@click.option("--last", default=20, show_default=True, help="How many.")
@format_option
def blocks(folder: Path, last: int, output: str) -> None:
    """List the sealed blocks, the newest last."""
    chronicle = _open(folder)
    value = chronicle.sealed()[-last:]
    emit(
        value,
        output,
        lambda: table(
            "",
            ("block", "time", "requester", "purpose", "contributors", "epsilon", "hash"),
            [
                (
                    row["height"],
                    _when(row["time_ms"]),
                    row["requester"],
                    row["purpose"],
                    ", ".join(row["contributors"]),
                    row["epsilon"],
                    row["block"][:16],
                )
                for row in value
            ],
        ),
    )


@ledger.command()
@click.argument("height", type=int)
@_FOLDER
@format_option
def show(height: int, folder: Path, output: str) -> None:
    """Show one sealed block whole."""
    value = _open(folder).show(height)
    emit(value, output, lambda: click.echo(json.dumps(value, indent=2, ensure_ascii=False)))


@ledger.command()
@_FOLDER
@format_option
def audit(folder: Path, output: str) -> None:
    """List every use of every provider's data: models made, models served again, requests that came to nothing."""
    value = _open(folder).events()
    emit(value, output, lambda: _tell_uses(value))


@ledger.command()
@_FOLDER
@click.option("-o", "--output", "target", type=click.Path(path_type=Path, dir_okay=False), required=True)
@format_option
def export(folder: Path, target: Path, output: str) -> None:
    """Write every block, whole, to TARGET: canonical bytes, each after its length in 8 bytes, big endian."""
    chronicle = _open(folder)
    with target.open("wb") as file:
        for data in chronicle.blocks():
            file.write(len(data).to_bytes(8, "big") + data)
    value = {"blocks": chronicle.height, "file": str(target)}
    emit(value, output, lambda: click.echo(f"{chronicle.height} blocks are in {target}"))


def _tell_uses(events: list[dict[str, Any]]) -> None:
    """A paragraph a session or reuse: what came of it, for whom; then each provider whose data took part."""
    of_one = itemgetter("time_ms", "event", "session", "requester", "purpose", "reason")
    for (time_ms, event, session, requester, purpose, reason), uses in groupby(events, key=of_one):
        click.echo(f"{_when(time_ms)}  {event}{': ' if reason else ''}{reason}")
        click.echo(f"    for {requester}, purpose {purpose!r}, session {session[:16]}")
        for use in uses:
            if use["provider"]:
                click.echo(f"    {use['provider']}  epsilon {use['epsilon']:g}  {use['verdict']}".rstrip())


def _open(folder: Path) -> Chronicle:
    from comitia.app.audit import Chronicle

    return Chronicle(folder)


def _when(time_ms: int) -> str:
    return datetime.fromtimestamp(time_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")
