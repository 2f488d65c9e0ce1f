"""`comitia references keep | show`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from comitia.app.output import console, emit, format_option, table
from comitia.core.counting import counted


@click.group()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.pass_context
def references(ctx: click.Context, folder: Path) -> None:
    """The documents that the witness in DIR keeps back to judge releases by, and shows once they are made."""
    from comitia.storage.folder import node_folder

    ctx.obj = node_folder(folder)
    ctx.obj.settings()


@references.command()
@click.argument("data", metavar="DATA")
@click.option("--text-column", default="text", show_default=True)
@click.option("--label-column", default="label", show_default=True)
@click.option("--each", type=click.IntRange(2, 1000), default=5, show_default=True, help="Of each category in a set.")
@click.option("--agree", is_flag=True, help="These documents' vectors and labels may be shown to members.")
@format_option
@click.pass_context
def keep(
    ctx: click.Context, data: str, text_column: str, label_column: str, each: int, agree: bool, output: str
) -> None:
    """Share the labelled documents of DATA out into sets; a running witness binds itself to them within a second.

    One set is used up in each session: its vectors and labels, not its text, go to the committee's members, and
    nothing protects them from then on. Take documents that may become public.
    """
    from comitia.app.references import keep as put_by
    from comitia.core.errors import RefusedError
    from comitia.storage.columns import Columns
    from comitia.storage.documents import read_documents

    documents = list(read_documents(data, Columns(text=text_column, label=label_column)))
    if not agree:
        raise RefusedError(
            f"vectors and labels of {counted(len(documents), 'document')} would become known to members, without noise",
            code="not-agreed",
            hint="say with --agree that they may",
        )
    with console(stderr=True).status("making vectors"):
        kept = put_by(ctx.obj, documents, each=each)

    def render() -> None:
        click.echo(
            f"Kept back: {counted(kept.sets, 'set')} of {kept.documents // kept.sets} documents, one for each session."
        )
        click.echo(f"Categories in each: {', '.join(kept.categories)}")
        if kept.left_out:
            click.echo(f"Fewer than {each} documents: {', '.join(kept.left_out)}")
        if kept.unknown:
            click.echo(f"Labels that the codebook does not know, left out: {', '.join(kept.unknown[:20])}")

    emit(asdict(kept), output, render)


@references.command()
@format_option
@click.pass_context
def show(ctx: click.Context, output: str) -> None:
    """Show how many sets are left, for each codebook."""
    from comitia.app.references import stocks

    found = stocks(ctx.obj)
    rows = [(stock.codebook.hex()[:12], stock.kept, stock.bound, stock.left) for stock in found]
    emit(
        [asdict(stock) for stock in found],
        output,
        lambda: table("", ("codebook", "kept", "bound on the ledger", "left"), rows),
    )
