"""`comitia ledger`: who used whose data, for what, when, at what epsilon; and whether there is one history."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from comitia.app.output import BLOCK_SHOWN, emit, format_option, table
from comitia.core.counting import counted

if TYPE_CHECKING:
    from comitia.app.audit import Chronicle
    from comitia.ledger.fork import ForkProof

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
                    row["block"][:BLOCK_SHOWN],
                )
                for row in value
            ],
        ),
    )


@ledger.command()
@click.argument("block", metavar="BLOCK")
@_FOLDER
@format_option
def show(block: str, folder: Path, output: str) -> None:
    """Show one sealed block whole. BLOCK is its number, or how its hash or its session's id begins."""
    value = _open(folder).show(block)
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
    emit(value, output, lambda: click.echo(f"{target}: {counted(chronicle.height, 'block')}"))


@ledger.command()
@_FOLDER
@click.option("-o", "--output", "target", type=click.Path(path_type=Path, dir_okay=False), help="Write the proof here.")
@format_option
def fork(folder: Path, target: Path | None, output: str) -> None:
    """Say whether the node knows that its super node has told two histories, and show the proof."""
    from comitia.app.forks import FORK_PROOF, facts, kept_fork
    from comitia.storage.folder import node_folder

    proof = kept_fork(node_folder(folder))
    if proof is not None and target is not None:
        FORK_PROOF.write(target, proof)

    def render() -> None:
        if proof is None:
            click.echo("this node knows of one history only")
            return
        _tell_fork(proof)
        if target is not None:
            click.echo(f"the proof is in {target}")

    emit({"forked": False} if proof is None else {"forked": True, **facts(proof)}, output, render)


@ledger.command("verify-fork")
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--genesis", type=click.Path(path_type=Path, dir_okay=False), required=True)
@format_option
def verify_fork(file: Path, genesis: Path, output: str) -> None:
    """Check the proof of a fork in FILE with the genesis alone. Offline."""
    from comitia.app.forks import facts, read_proof
    from comitia.storage.folder import load_genesis

    proof = read_proof(file, load_genesis(genesis).genesis)
    emit({"forked": True, **facts(proof)}, output, lambda: _tell_fork(proof))


@ledger.command()
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False))
@_FOLDER
@format_option
def compare(file: Path, folder: Path, output: str) -> None:
    """Hold another node's `ledger export` in FILE against the ledger of the node in DIR; keep the proof of a fork.

    For members who fear that the super node lets nothing pass between them. Ends with status 10 if there are two
    histories.
    """
    from comitia.app.forks import hold_against
    from comitia.storage.folder import node_folder

    blocks = hold_against(file, node_folder(folder), _open(folder))
    emit({"forked": False, "blocks": blocks}, output, lambda: click.echo(f"{blocks} blocks, the same in both"))


def _tell_fork(proof: ForkProof) -> None:
    from comitia.app.forks import facts

    click.echo(click.style("forked", fg="red", bold=True) + f": {proof.sentence}")
    for block in facts(proof)["blocks"]:
        click.echo(f"  block {block['height']} of {_when(block['time_ms'])}  {block['hash']}")


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
