"""A provider's documents, turned into vectors once and kept; the text itself is not needed after that."""

from __future__ import annotations

import hashlib
import io
import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from comitia.core.codec import digest
from comitia.core.errors import InputError, StorageError
from comitia.driver.holdings import Holdings
from comitia.privacy.terms import Unit
from comitia.storage.encoder import with_encoder
from comitia.storage.whole_file import write_whole
from comitia.text.codebook import Codebook
from comitia.text.documents import Document
from comitia.text.target import classes_of

log = logging.getLogger("comitia.provider")

DIGEST_BYTES: Final = 32
_ENDING: Final = ".vectors"
"""Of a file that holds a digest and, as `numpy.save` writes it, what it is of."""


def make_holdings(
    documents: Sequence[Document],
    codebook: Codebook,
    folder: Path,
    *,
    unit: Unit = Unit.RECORD,
    records_per_user: int = 1,
) -> Holdings:
    """Make vectors of a provider's `protected` documents, or load them if these documents' were made before.

    Source: III.C step 1

    Documents whose label the codebook does not know, or without one, count in the profile only.

    Raises
    ------
    InputError
        If no document has a label of the codebook.
    StorageError
        If the vectors cannot be kept.
    """
    classes = classes_of(codebook, [document.label for document in documents])
    labels = classes.labels
    labelled = np.flatnonzero(labels >= 0)
    if not labelled.size:
        raise InputError(
            f"none of {len(documents)} documents has a label that the codebook knows",
            code="no-known-label",
            hint=f"it knows: {', '.join(codebook.labels[:20])}; check --label-column",
        )
    version = _version(documents, codebook, unit, records_per_user)
    vectors = _load(_file(folder, version), len(documents), codebook.rank)
    if vectors is None:
        vectors = with_encoder(codebook).vectorize([document.text for document in documents])
        _keep(folder, version, vectors)
    return Holdings(
        vectors=np.ascontiguousarray(vectors[labelled]),
        labels=labels[labelled],
        leaves=codebook.leaves_of(vectors),
        version=version,
        unit=unit,
        records_per_user=records_per_user,
        kind=codebook.task_kind,
        clipped=classes.clipped,
    )


def protected(documents: Iterable[Document], unit: Unit, records_per_user: int) -> list[Document]:
    """The documents that a unit of privacy leaves: all, or the first `records_per_user` of each user.

    Raises
    ------
    InputError
        `no-user`: the unit is the user, and a document has none.
    """
    if unit is Unit.RECORD:
        return list(documents)
    seen: Counter[str] = Counter()
    kept = []
    for row, document in enumerate(documents, start=1):
        if document.user is None:
            raise InputError(
                f"document {row} has no user",
                code="no-user",
                hint="give it one in the file, leave it out, or protect single documents with --unit record",
                row=row,
            )
        seen[document.user] += 1
        if seen[document.user] <= records_per_user:
            kept.append(document)
    return kept


def _version(documents: Sequence[Document], codebook: Codebook, unit: Unit, records_per_user: int) -> bytes:
    running = hashlib.sha256(codebook.digest + f"{unit}/{records_per_user}".encode())
    for document in documents:
        for part in (document.text, document.label or "", document.user or ""):
            data = part.encode("utf-8", "surrogatepass")
            running.update(len(data).to_bytes(8, "big") + data)
    return running.digest()


def _file(folder: Path, version: bytes) -> Path:
    return folder / f"{version.hex()}{_ENDING}"


def _load(path: Path, rows: int, rank: int) -> NDArray[np.int32] | None:
    """The vectors of a file; None if there is none, or it is damaged: noise is measured for what `vectorize` makes."""
    try:
        data = path.read_bytes()
    except OSError:
        return None
    if digest(data[DIGEST_BYTES:]) != data[:DIGEST_BYTES]:
        log.warning("%s is damaged; the vectors are made again", path)
        return None
    vectors = np.load(io.BytesIO(data[DIGEST_BYTES:]), allow_pickle=False)
    fits = vectors.shape == (rows, rank) and vectors.dtype == np.int32
    return np.asarray(vectors) if fits else None


def _keep(folder: Path, version: bytes, vectors: NDArray[np.int32]) -> None:
    """Replace what was kept of earlier documents by these vectors."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for old in filter(Path.is_file, folder.iterdir()):
            old.unlink()
        made = io.BytesIO()
        np.save(made, vectors, allow_pickle=False)
        write_whole(_file(folder, version), digest(made.getvalue()) + made.getvalue(), durable=False)
    except OSError as error:
        raise StorageError(
            f"the vectors cannot be kept in {folder}: {error.strerror}",
            code="disk-full" if error.errno == 28 else "node-storage",
            hint="free some space",
            path=str(folder),
        ) from error
