"""Codebooks as files: what they are built from, and reading them back."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from comitia.app.tasks import newest_codebook
from comitia.core.errors import InputError
from comitia.ledger.application import Application
from comitia.storage.columns import Columns
from comitia.storage.documents import read_documents
from comitia.storage.encoder import with_encoder
from comitia.storage.node import NodeStore
from comitia.storage.toml_file import parse_toml
from comitia.text.categories import Category, parse_categories
from comitia.text.codebook import Codebook


def read_texts(source: str | Path, text_column: str) -> list[str]:
    """The texts of a file or folder; errors as `read_documents`."""
    return [document.text for document in read_documents(source, Columns(text=text_column))]


def read_categories(file: Path | None, labels: Sequence[str]) -> tuple[Category, ...]:
    """Categories from a TOML file, or else one for each label, named by itself.

    Raises
    ------
    InputError
        If the file cannot be read, is not as it should be, or there is neither file nor label.
    """
    if file is None:
        if not labels:
            raise InputError(
                "a codebook needs categories",
                code="no-category",
                hint="give --categories FILE.toml, or --references FILE with labels",
            )
        return tuple(Category(label=label, name=label) for label in sorted(set(labels)))
    try:
        table = parse_toml(file.read_bytes())
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error.strerror}", code="file-missing", path=str(file)) from error
    except ValueError as error:
        raise InputError(f"{file} is not TOML: {error}", code="not-toml", path=str(file)) from error
    return parse_categories(table)


def read_codebook(file: Path) -> Codebook:
    """Read a codebook.

    Raises
    ------
    InputError
        If there is no such file.
    DamagedError
        If it is not a codebook, or damaged.
    """
    try:
        data = file.read_bytes()
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error.strerror}", code="file-missing", path=str(file)) from error
    return with_encoder(Codebook.from_bytes(data))


def held_codebook(application: Application, store: NodeStore) -> Codebook:
    """The newest codebook on a node's ledger, from its own store.

    Raises
    ------
    InputError
        If the node has no codebook yet.
    """
    wanted = newest_codebook(application)
    data = store.artefact(wanted)
    if data is None:
        raise InputError(
            f"the node has not got codebook {wanted.hex()[:12]} yet",
            code="no-codebook",
            hint="start it: it fetches the codebook from the super node when it needs it",
        )
    return with_encoder(Codebook.from_bytes(data))


def leaf_number(book: Codebook, name: str) -> int:
    """The leaf of the category with this label, or with this number.

    Raises
    ------
    InputError
        If there is none.
    """
    for number, leaf in enumerate(book.leaves):
        if name in (leaf.label, str(number)):
            return number
    raise InputError(
        f"the codebook has no leaf {name!r}",
        code="unknown-leaf",
        hint=f"it has 0 to {len(book.leaves) - 1}, and: {', '.join(leaf.label for leaf in book.leaves if leaf.label)}",
        leaf=name,
    )
