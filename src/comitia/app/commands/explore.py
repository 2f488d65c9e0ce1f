"""`comitia explore`: what an owner's own documents are about, before there is any category."""

from __future__ import annotations

import csv
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from comitia.app.output import console, emit, format_option, say, table
from comitia.core.counting import counted

if TYPE_CHECKING:
    from comitia.text.documents import Document
    from comitia.text.groups import Groups

_TERMS_SHOWN = 8
_EXAMPLE_LENGTH = 90


@click.command()
@click.argument("data", metavar="DATA")
@click.option("--text-column", default="text", show_default=True)
@click.option("--groups", "count", type=click.IntRange(1, 500), help="How many. Default: by the number of documents.")
@click.option("--distance", type=click.Choice(["jaccard", "cosine"]), default="jaccard", show_default=True)
@click.option("--examples", default=2, show_default=True, help="Documents to show of each group.")
@click.option("--seed", default=0, show_default=True)
@click.option(
    "--labels-to", type=click.Path(path_type=Path, dir_okay=False), help="Write text and proposed label here (CSV)."
)
@click.option("--picture", type=click.Path(path_type=Path, dir_okay=False), help="Draw the groups here (.svg, .png).")
@format_option
def explore(
    data: str,
    text_column: str,
    count: int | None,
    distance: str,
    examples: int,
    seed: int,
    labels_to: Path | None,
    picture: Path | None,
    output: str,
) -> None:
    """Propose categories for your own documents: groups, their key terms and typical examples.

    DATA as for a provider; labels are not needed. Everything stays on this machine: nothing is sent, and nothing
    that is shown or written is noised, so do not publish it.
    """
    from comitia.app.drawing.files import require_picture, write_picture
    from comitia.app.drawing.graphs import Panel, draw
    from comitia.storage.columns import Columns
    from comitia.storage.documents import read_documents
    from comitia.text.clustering import Distance
    from comitia.text.groups import fitting_count, group_documents

    if picture is not None:
        require_picture(picture)
    began = time.perf_counter()
    with console(stderr=True).status("reading documents") as status:
        documents = list(
            read_documents(
                data,
                Columns(text=text_column),
                progress=lambda reading: status.update(f"reading documents: {reading.documents}"),
            )
        )
        found = group_documents(
            [document.text for document in documents],
            count or fitting_count(len(documents)),
            seed=seed,
            distance=Distance(distance),
            say=lambda doing: status.update(f"{len(documents)} documents: {doing}"),
        )
    seconds = round(time.perf_counter() - began, 1)
    if picture is not None:
        panels = [
            Panel(title=group.name, note=counted(len(group.members), "document"), graph=group.graph)
            for group in found.groups
        ]
        write_picture(picture, draw(panels))
    if labels_to is not None:
        _write_labels(labels_to, documents, found)
    _show({**_described(documents, found, examples), "seconds": seconds}, labels_to, picture, output)


def _described(documents: Sequence[Document], found: Groups, examples: int) -> dict[str, Any]:
    return {
        "documents": len(documents),
        "without_group": int((found.of_document < 0).sum()),
        "mean_distance": round(found.distance, 4),
        "groups": [
            {
                "label": group.name,
                "documents": len(group.members),
                "terms": list(group.graph.nodes)[:_TERMS_SHOWN],
                "examples": [
                    " ".join(documents[int(row)].text.split())[:_EXAMPLE_LENGTH] for row in group.members[:examples]
                ],
            }
            for group in found.groups
        ],
    }


def _show(value: dict[str, Any], labels_to: Path | None, picture: Path | None, output: str) -> None:
    def render() -> None:
        table(
            f"{counted(value['documents'], 'document')} in {counted(len(value['groups']), 'group')}, "
            f"{value['seconds']} s",
            ("documents", "key terms", "typical"),
            [
                (group["documents"], ", ".join(group["terms"]), "\n".join(group["examples"]))
                for group in value["groups"]
            ],
        )
        if value["without_group"]:
            say(f"In no group, without a word that tells them apart: {counted(value['without_group'], 'document')}.")
        for file in (labels_to, picture):
            if file is not None:
                click.echo(f"wrote {file}")
        say("Nothing was sent. Groups, terms and examples come from your text: keep them to yourself.")

    emit(value, output, render)


def _write_labels(file: Path, documents: Sequence[Document], found: Groups) -> None:
    with file.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(("text", "label"))
        for document, group in zip(documents, found.of_document.tolist(), strict=True):
            writer.writerow((document.text, found.groups[group].name if group >= 0 else ""))
