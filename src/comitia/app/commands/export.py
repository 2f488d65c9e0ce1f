"""`comitia export`."""

from __future__ import annotations

from pathlib import Path

import click

from comitia.app.output import emit, format_option


@click.command()
@click.argument("model", metavar="MODEL", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--onnx", "target", type=click.Path(path_type=Path, dir_okay=False), required=True, help="File to write.")
@click.option(
    "--input",
    "takes",
    type=click.Choice(["words", "vectors"]),
    default="words",
    show_default=True,
    help="What the graph takes: words of a text, or vectors as the codebook makes them.",
)
@click.option("--card", type=click.Path(path_type=Path, dir_okay=False), help="Model card. Default: beside the graph.")
@click.option(
    "--genesis", type=click.Path(path_type=Path, dir_okay=False), help="Check the model first, and say so on the card."
)
@format_option
def export(model: Path, target: Path, takes: str, card: Path | None, genesis: Path | None, output: str) -> None:
    """Write MODEL as an ONNX graph that gives the same answers, and a card that says where it comes from. Offline."""
    from comitia.app.export.card import model_card
    from comitia.app.export.onnx_graph import Input, onnx_bytes
    from comitia.ledger.proof import Proof
    from comitia.storage.folder import load_genesis
    from comitia.storage.model_file import read_model

    file = read_model(model)
    verified = file.verify(load_genesis(genesis).genesis) if genesis else None
    _, ready = file.load()
    page = model_card(ready, Proof.from_bytes(file.proof), verified)
    graph = onnx_bytes(ready, Input(takes))
    beside = card or target.with_suffix(".md")
    target.write_bytes(graph)
    beside.write_text(page, encoding="utf-8")
    value = {"onnx": str(target), "card": str(beside), "input": takes, "bytes": len(graph), "verified": bool(verified)}

    def render() -> None:
        click.echo(f"{target}: {len(graph) / 1e3:,.0f} kB, takes {takes}; {beside} says where it comes from.")
        if not verified:
            click.echo("Not checked: give --genesis FILE to have the card say that it was.")

    emit(value, output, render)
