"""`comitia codebook build | inspect | compare | versions`."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from comitia.app.output import console, emit, format_option, say, table
from comitia.core.counting import counted
from comitia.core.errors import InputError

if TYPE_CHECKING:
    from comitia.text.codebook import Codebook
    from comitia.text.quality import LeafQuality


@click.group()
def codebook() -> None:
    """What all members know alike: categories, words, public references."""


@codebook.command()
@click.argument("pool", metavar="[POOL]", type=click.Path(path_type=Path), required=False)
@click.option(
    "--basis",
    type=click.Choice(["pool", "none", "encoder"]),
    default="pool",
    show_default=True,
    help="What vectors are made from: the pool's words, parts of words without any pool, or a sentence encoder.",
)
@click.option("--text-column", default="text", show_default=True)
@click.option("--categories", type=click.Path(path_type=Path, dir_okay=False), help="TOML with [[category]] blocks.")
@click.option("--references", type=click.Path(path_type=Path), help="Public documents whose label is known.")
@click.option("--label-column", default="label", show_default=True, help="Of the references.")
@click.option("--target", "bins", help="For numbers: LOW:HIGH:BINS of their public range, or LOW:HIGH:BINS:log.")
@click.option("--kind", type=click.Choice(["lsa", "tf"]), help="Kind of vector. Default: what the pool suggests.")
@click.option("-o", "--output", "target", type=click.Path(path_type=Path, dir_okay=False), required=True)
@format_option
def build(
    pool: Path | None,
    basis: str,
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

    With --basis none there is no POOL; with --basis encoder it may be missing. POOL may be CSV, JSONL, Parquet, a
    folder of text files, or a log file with a document a line. Without --categories, the labels of --references are
    the categories and their own names.
    """
    from comitia.app.codebooks import read_categories, read_texts
    from comitia.storage.columns import Columns
    from comitia.storage.documents import read_documents
    from comitia.storage.encoder import load_encoder
    from comitia.text.build import BuildSettings, build_codebook
    from comitia.text.target import bin_categories, bin_references, parse_edges
    from comitia.text.vectors import Source, VectorKind

    if pool is None and basis == Source.POOL:
        raise InputError(
            "there is no POOL to build the codebook from",
            code="no-pool",
            hint="give one, or take --basis none or --basis encoder",
        )
    known = list(read_documents(references, Columns(text=text_column, label=label_column))) if references else []
    labelled = [(document.text, document.label) for document in known if document.label]
    edges = parse_edges(bins) if bins else ()
    if edges:
        labelled = bin_references(edges, labelled)
    with console(stderr=True).status("building the codebook") as status:
        book = build_codebook(
            read_texts(pool, text_column) if pool else (),
            bin_categories(edges) if edges else read_categories(categories, [label for _, label in labelled]),
            references=labelled,
            settings=BuildSettings(source=Source(basis), kind=VectorKind(kind) if kind else None),
            encoder=load_encoder() if basis == Source.ENCODER else None,
            say=status.update,
        )
        book = replace(book, edges=edges)
    target.write_bytes(book.to_bytes())
    _show(book, target, output)


@codebook.command()
@click.argument("file", metavar="CODEBOOK", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--data", help="Documents to try the leaves on; they stay here.")
@click.option("--text-column", default="text", show_default=True)
@click.option("--label-column", default="label", show_default=True, help="Of --data; may be missing.")
@click.option("--leaf", "wanted", multiple=True, help="Draw only the leaf of this category, or of this number; repeat.")
@click.option("--picture", type=click.Path(path_type=Path, dir_okay=False), help="Draw the leaves here (.svg, .png).")
@format_option
def inspect(
    file: Path,
    data: str | None,
    text_column: str,
    label_column: str,
    wanted: tuple[str, ...],
    picture: Path | None,
    output: str,
) -> None:
    """Say what is in a codebook, and how well its leaves fit documents.

    The picture shows each leaf's key terms and which of them stand together, in the public documents that the
    codebook was built from.
    """
    from comitia.app.codebooks import leaf_number, read_codebook
    from comitia.app.drawing.files import require_picture, write_picture
    from comitia.app.drawing.graphs import Panel, draw

    if picture is not None:
        require_picture(picture)
    book = read_codebook(file)
    if picture is not None:
        shown = [leaf_number(book, name) for name in wanted] or range(len(book.leaves))
        panels = [
            Panel(title=leaf.title, note=f"leaf {index}, {leaf.documents} public documents", graph=leaf.graph)
            for index, leaf in enumerate(book.leaves)
            if index in shown
        ]
        write_picture(picture, draw(panels))
    _show(book, file, output, _assess(book, data, text_column, label_column) if data else None)


@codebook.command()
@click.argument("old", metavar="OLD", type=click.Path(path_type=Path, dir_okay=False))
@click.argument("new", metavar="NEW", type=click.Path(path_type=Path, dir_okay=False))
@format_option
def compare(old: Path, new: Path, output: str) -> None:
    """Say what changed from the codebook OLD to NEW: categories, words, leaves."""
    from comitia.app.codebooks import read_codebook
    from comitia.text.comparison import compare as compare_codebooks

    change = compare_codebooks(read_codebook(old), read_codebook(new))

    def render() -> None:
        if change.same:
            click.echo("The two are the same codebook.")
            return
        for word, labels in (("added", change.added), ("removed", change.removed)):
            click.echo(f"{word + ':':<9} {', '.join(labels) or 'no category'}")
        for label, before, after in change.renamed:
            click.echo(f"renamed:  {label}: {before or '(opaque)'!s} -> {after or '(opaque)'}")
        for before, after, words in change.recoded:
            click.echo(f"recoded:  {before} -> {after} ({words})")
        click.echo(
            f"terms:    {change.terms_shared} shared, {change.terms_added} added, {change.terms_removed} removed "
            f"(overlap {change.vocabulary_overlap:.2f})"
        )
        table(
            "",
            ("old leaf", "new leaf", "moved"),
            [(move.title, move.new_title or "(gone)", round(move.moved, 3)) for move in change.moves],
        )

    emit(asdict(change), output, render)


@codebook.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path, exists=True, file_okay=False))
@format_option
def versions(folder: Path, output: str) -> None:
    """List the codebooks on the ledger of the node in DIR, and which providers are still on an old one."""
    from comitia.app.audit import Chronicle

    found = Chronicle(folder).codebooks()
    value = {
        "codebooks": found,
        "lagging": [provider for version in found[:-1] for provider in version["providers"]],
    }

    def render() -> None:
        table(
            "",
            ("version", "digest", "leaves", "references", "providers"),
            [
                (row["version"], row["digest"].hex()[:16], row["leaves"], row["references"], len(row["providers"]))
                for row in found
            ],
        )
        for version in found[:-1]:
            for provider in version["providers"]:
                say(f"{provider} is still on version {version['version']}: newer requests do not find it.")

    emit(value, output, render)


def _assess(book: Codebook, data: str, text_column: str, label_column: str) -> LeafQuality:
    from comitia.core.errors import InputError
    from comitia.storage.columns import Columns
    from comitia.storage.documents import read_documents
    from comitia.text.quality import assess

    try:
        documents = list(read_documents(data, Columns(text=text_column, label=label_column)))
    except InputError as error:
        if error.code != "unknown-column":
            raise
        documents = list(read_documents(data, Columns(text=text_column)))
    return assess(book, documents)


def _show(book: Codebook, file: Path, output: str, quality: LeafQuality | None = None) -> None:
    labels = book.reference_labels.tolist()
    references = [labels.count(number) for number in range(len(book.categories))]
    value = {
        "codebook": str(file),
        "digest": book.digest,
        "kind": book.kind,
        "categories": [
            {**asdict(category), "references": number}
            for category, number in zip(book.categories, references, strict=True)
        ],
        "terms": len(book.vocabulary),
        "rank": book.rank,
        "leaves": [
            {"label": leaf.label, "code": leaf.code, "documents": leaf.documents, "terms": leaf.terms[:8]}
            for leaf in book.leaves
        ],
        "basis": book.source,
        "encoder": book.encoder.hex() or None,
        "pool_documents": book.pool_documents,
        "held_out_norm_ppm": book.held_out_norm_ppm,
        "bytes": len(book.to_bytes()),
        "quality": asdict(quality) if quality else None,
    }

    def render() -> None:
        table(
            f"{file}  {book.digest.hex()[:16]}",
            ("category", "public words", "references"),
            [
                (category.label, category.words or "(opaque)", number)
                for category, number in zip(book.categories, references, strict=True)
            ],
        )
        say(
            f"{counted(len(book.vocabulary), 'term')}, {book.kind} vectors of rank {book.rank} (basis: {book.source}), "
            f"{counted(len(book.leaves), 'leaf', 'leaves')}, "
            f"from {counted(book.pool_documents, 'public document')}"
        )
        sizes = quality.sizes if quality else [leaf.documents for leaf in book.leaves]
        table(
            "",
            ("leaf", "stands for", "of your documents" if quality else "public documents", "key terms"),
            [
                (number, leaf.label or "(no category)", size, ", ".join(leaf.terms[:8]))
                for number, (leaf, size) in enumerate(zip(book.leaves, sizes, strict=True))
            ],
        )
        if quality:
            say(
                f"{counted(quality.documents, 'document')}: {_percent(quality.coverage)} have a known word; of these "
                f"{_percent(quality.named)} are nearest to a category's leaf"
            )
            say(
                f"{quality.labelled} labelled: the nearest category is the right one for {_percent(quality.purity)}; "
                f"{_percent(quality.recall)} are found under their own category"
            )

    emit(value, output, render)


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f} %"
