"""`comitia super-node`, `comitia provider`, `comitia witness`: the processes that stay up."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from comitia.app.output import format_option, warn

if TYPE_CHECKING:
    from comitia.privacy.terms import Unit

# A node's sums are small and several nodes may share a machine: threads that wait for work by spinning cost
# more than they bring. Read by numpy's library when it is loaded, which no module has done yet.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


@click.command("super-node")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--codebook", type=click.Path(path_type=Path, dir_okay=False), help="Publish this codebook.")
@format_option
def super_node(folder: Path, codebook: Path | None, output: str) -> None:
    """Run the super node in DIR (the consortium's folder, or the node's own) until stopped."""
    from comitia.app.node.running import run_super_node

    run_super_node(folder, codebook=codebook, output=output)


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path, exists=True, file_okay=False))
@format_option
def witness(folder: Path, output: str) -> None:
    """Run the witness in DIR until stopped: it judges others' work and shares nothing but `comitia references`."""
    from comitia.app.node.running import run_witness

    run_witness(folder, output=output)


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--data", required=True, help="FILE, folder or pattern: CSV, JSONL, Parquet, text files, logs.")
@click.option("--text-column", default="text", show_default=True)
@click.option("--label-column", default="label", show_default=True)
@click.option("--unit", type=click.Choice(["record", "user"]), default="record", show_default=True)
@click.option("--user-column", help="Who a document is of; with --unit user.")
@click.option("--records-per-user", type=int, default=1, show_default=True, help="More are left out.")
@click.option(
    "--self-check",
    "check_epsilon",
    metavar="EPSILON",
    default="0",
    show_default=True,
    help="Say no to requests for what this provider hardly holds; costs EPSILON once for these documents. 0: never.",
)
@format_option
def provider(
    folder: Path,
    data: str,
    text_column: str,
    label_column: str,
    unit: str,
    user_column: str | None,
    records_per_user: int,
    check_epsilon: str,
    output: str,
) -> None:
    """Run the provider in DIR on its own documents until stopped. They never leave this machine."""
    from comitia.app.node.holdings import protected
    from comitia.app.node.running import run_provider
    from comitia.storage.columns import Columns
    from comitia.storage.documents import read_documents
    from comitia.storage.folder import NodeFolder

    NodeFolder(folder).settings()
    what = _unit(unit, user_column, records_per_user)
    columns = Columns(text=text_column, label=label_column, user=user_column)
    read = list(read_documents(data, columns))
    documents = protected(read, what, records_per_user)
    if len(documents) < len(read):
        warn(f"{len(read) - len(documents)} of {len(read)} documents are left out, as --records-per-user has it")
    run_provider(
        folder,
        documents,
        unit=what,
        records_per_user=records_per_user,
        check_epsilon=check_epsilon,
        output=output,
    )


def _unit(unit: str, user_column: str | None, records_per_user: int) -> Unit:
    """The unit, where the options about it agree: none may only seem to protect."""
    from comitia.core.errors import InputError
    from comitia.privacy.terms import PrivacyTerms, Unit

    what = Unit(unit)
    if what is Unit.USER and user_column is None:
        raise InputError(
            "protecting users needs the column that says whose a document is",
            code="no-user",
            hint="name it with --user-column, or protect single documents with --unit record",
        )
    if what is Unit.RECORD and user_column is not None:
        raise InputError(
            f"--user-column {user_column} is of no use while single documents are protected",
            code="bad-unit",
            hint="add --unit user to protect all documents of a user together",
        )
    PrivacyTerms.of(1, unit=what, records_per_user=records_per_user)
    return what
