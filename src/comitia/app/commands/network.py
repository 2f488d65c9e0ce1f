"""`comitia network`, `comitia find`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from comitia.app.output import console, emit, format_option, table
from comitia.core.counting import counted

_STANDING = {True: "yes", False: "no", None: ""}


@click.command()
@click.argument(
    "folder", metavar="[DIR]", type=click.Path(path_type=Path, exists=True, file_okay=False), default=Path()
)
@click.option("--probe", is_flag=True, help="Ask every provider whether it is there; DIR is a requester's.")
@click.option("--picture", type=click.Path(path_type=Path, dir_okay=False), help="Draw it here (.svg, .png).")
@format_option
def network(folder: Path, probe: bool, picture: Path | None, output: str) -> None:
    """Show the communities of providers with data alike, by the ledger of the node in DIR."""
    from comitia.app.drawing.communities import draw
    from comitia.app.drawing.files import require_picture, write_picture
    from comitia.app.network import probe_network, read_network

    if picture is not None:
        require_picture(picture)
    with console(stderr=True).status("asking providers" if probe else "reading the ledger"):
        districts = probe_network(folder) if probe else read_network(folder)
    if picture is not None:
        write_picture(picture, draw(districts))

    def render() -> None:
        rows = [
            (
                ", ".join(district.categories) if not number else "",
                district.change or "" if not number else "",
                resident.name,
                f"{min(resident.share, 1):.0%}",
                _STANDING[resident.alive],
            )
            for district in districts
            for number, resident in enumerate(district.residents)
        ]
        headings = ("categories", "this epoch", "provider", "of its documents", "is there")
        table(counted(len(districts), "community", "communities"), headings, rows)

    emit([asdict(district) for district in districts], output, render)


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.argument("category")
@click.option("--lookup", "way", type=click.Choice(["index", "hybrid", "overlay"]), default="index", show_default=True)
@click.option("--most", type=click.IntRange(min=1), help="How many are enough. Default: all.")
@format_option
def find(folder: Path, category: str, way: str, most: int | None, output: str) -> None:
    """Say which providers are found under CATEGORY, as the requester in DIR; nothing is asked for."""
    from comitia.app.network import find_providers

    with console(stderr=True).status("looking"):
        found = find_providers(folder, category, way, most)

    def render() -> None:
        table("", ("provider", "node"), list(zip(found.names, found.nodes, strict=True)))
        if not found.complete:
            click.echo("some could not be found or did not answer")

    emit(asdict(found), output, render)
