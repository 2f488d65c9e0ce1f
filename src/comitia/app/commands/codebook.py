"""`comitia codebook build | inspect | publish`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from comitia.app.output import console, emit, format_option, table

if TYPE_CHECKING:
    from comitia.text.codebook import Codebook


@click.group()
def codebook() -> None:
    """What all members know alike: categories, words, public references."""


@codebook.command()
@click.argument("pool", metavar="POOL", type=click.Path(path_type=Path))
@click.option("--text-column", default="text", show_default=True)
@click.option("--categories", type=click.Path(path_type=Path, dir_okay=False), help="TOML with [[category]] blocks.")
@click.option("--references", type=click.Path(path_type=Path), help="Public documents whose label is known.")
@click.option("--label-column", default="label", show_default=True, help="Of the references.")
@click.option("--target", "bins", help="For numbers: LOW:HIGH:BINS of their public range, or LOW:HIGH:BINS:log.")
@click.option("--kind", type=click.Choice(["lsa", "tf"]), help="Kind of vector. Default: what the pool suggests.")
@click.option("-o", "--output", "target", type=click.Path(path_type=Path, dir_okay=False), required=True)
@format_option
def build(
    pool: Path,
    text_column: str,
    categories: Path | None,
    references: Path | None,
    label_column: str,
    bins: str | None,
    kind: str | None,
    target: Path,
    output: str,
) -> None:
    """Build a codebook from POOL: documents of the field that members agree to publish, without labels.

    POOL may be CSV, JSONL, Parquet, a folder of text files, or a log file with a document a line. Without
    --categories, the labels of --references are the categories and their own names.
    """
    from comitia.app.codebooks import read_categories, read_texts
    from comitia.storage.documents import Columns, read_documents
    from comitia.text.build import BuildSettings, build_codebook
    from comitia.text.codebook import VectorKind
    from comitia.text.target import bin_categories, bin_references, parse_edges

    known = list(read_documents(references, Columns(text=text_column, label=label_column))) if references else []
    labelled = [(document.text, document.label) for document in known if document.label]
    edges = parse_edges(bins) if bins else ()
    if edges:
        labelled = bin_references(edges, labelled)
    with console(stderr=True).status("building the codebook") as status:
        book = build_codebook(
            read_texts(pool, text_column),
            bin_categories(edges) if edges else read_categories(categories, [label for _, label in labelled]),
            references=labelled,
            settings=BuildSettings(kind=VectorKind(kind) if kind else None),
            progress=lambda doing: status.update(doing),
        )
        book = replace(book, edges=edges)
    target.write_bytes(book.to_bytes())
    _show(book, target, output)


@codebook.command()
@click.argument("file", metavar="CODEBOOK", type=click.Path(path_type=Path, dir_okay=False))
@format_option
def inspect(file: Path, output: str) -> None:
    """Say what is in a codebook."""
    from comitia.app.codebooks import read_codebook

    _show(read_codebook(file), file, output)


def _show(book: Codebook, file: Path, output: str) -> None:
    counted = book.reference_labels.tolist()
    rows = [
        (category.label, category.name or "(opaque)", counted.count(number))
        for number, category in enumerate(book.categories)
    ]
    value = {
        "codebook": str(file),
        "digest": book.digest,
        "kind": book.kind,
        "categories": [{"label": label, "name": name, "references": number} for label, name, number in rows],
        "terms": len(book.vocabulary),
        "rank": book.rank,
        "leaves": len(book.leaves),
        "pool_documents": book.pool_documents,
        "bytes": len(book.to_bytes()),
    }

    def render() -> None:
        table(f"{file}  {book.digest.hex()[:16]}", ("category", "name", "references"), rows)
        click.echo(
            f"{len(book.vocabulary)} terms, {book.kind} vectors of rank {book.rank}, {len(book.leaves)} leaves, "
            f"from {book.pool_documents} public documents"
        )

    emit(value, output, render)
