"""Reading documents: CSV, JSON lines, Parquet, folders of text files, log files with a line a document.

Readers stream. However long a line or large a file, no more than a few documents are in memory at once,
and what cannot be read is refused with the place where it stands; a document is never skipped silently.
"""

from __future__ import annotations

import glob
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from comitia.core.errors import InputError
from comitia.storage.columns import LARGEST_DOCUMENT, Columns
from comitia.storage.line_tables import read_csv, read_jsonl
from comitia.storage.lines import BOM, Lines, decode_text
from comitia.storage.parquet import read_parquet
from comitia.text.documents import Document

_TABLES = {".csv": "csv", ".tsv": "tsv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet"}
_REPORT_EVERY = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How far reading has come.

    Attributes
    ----------
    file : str
        The file being read.
    files_done, files : int
    documents : int
        Documents read so far, in all files.
    """

    file: str
    files_done: int
    files: int
    documents: int


Progress = Callable[[Reading], None]


def read_documents(
    source: str | Path,
    columns: Columns | None = None,
    *,
    largest: int = LARGEST_DOCUMENT,
    progress: Progress | None = None,
) -> Iterator[Document]:
    """Read every document of a file, a folder or a pattern such as ``logs/*.csv``, in a fixed order.

    A table is known by its ending (.csv, .tsv, .jsonl, .ndjson, .parquet). Any other file named or
    matched is a log: a line a document, blank lines left out. In a folder, tables are read as tables
    and each other file is one document; its label is the name of the subfolder it lies in, if any.

    Raises
    ------
    InputError
        "no-such-file", "empty-input", "unknown-column", "column-needed", "not-utf-8",
        "document-too-long", "bad-row", "unreadable-file"; each names file, row and offset as it can.
        Raised while iterating, when the reader meets the fault.
    """
    columns = columns or Columns()
    files = _files(str(source))
    count = 0
    for done, (path, base) in enumerate(files):
        for document in _read_file(path, base, columns, largest):
            yield document
            count += 1
            if progress and count % _REPORT_EVERY == 0:
                progress(Reading(file=str(path), files_done=done, files=len(files), documents=count))
        if progress:
            progress(Reading(file=str(path), files_done=done + 1, files=len(files), documents=count))
    if not count:
        raise InputError(f"{source} holds no document", code="empty-input", file=str(source))


def _files(source: str) -> list[tuple[Path, Path | None]]:
    """Files to read, sorted; beside each the folder it was found in, None if it was named itself."""
    path = Path(source)
    if path.is_dir():
        inside = sorted(item for item in path.rglob("*") if item.is_file() and not _hidden(item, path))
        if not inside:
            raise InputError(f"the folder {source} has no files", code="empty-input", file=source)
        return [(item, path) for item in inside]
    if path.exists():
        return [(path, None)]
    matches = sorted(Path(name) for name in glob.glob(source, recursive=True))  # noqa: PTH207
    matches = [match for match in matches if match.is_file()]
    if not matches:
        raise InputError(
            f"there is no file {source}",
            code="no-such-file",
            hint="Give a file, a folder, or a pattern in quotes such as 'logs/*.csv'.",
            file=source,
        )
    return [(match, None) for match in matches]


def _hidden(item: Path, folder: Path) -> bool:
    return any(part.startswith(".") for part in item.relative_to(folder).parts)


def _read_file(path: Path, folder: Path | None, columns: Columns, largest: int) -> Iterator[Document]:
    kind = _TABLES.get(path.suffix.lower())
    try:
        if kind == "parquet":
            yield from read_parquet(path, columns, largest)
        elif kind:
            with path.open("rb") as stream:
                lines = Lines(path, stream, largest)
                if kind == "jsonl":
                    yield from read_jsonl(lines, columns)
                else:
                    yield from read_csv(lines, columns, "\t" if kind == "tsv" else ",")
        elif folder is not None:
            yield _read_text(path, folder, largest)
        else:
            with path.open("rb") as stream:
                yield from (Document(text=line.rstrip("\r\n")) for line in Lines(path, stream, largest) if line.strip())
    except OSError as error:
        raise InputError(
            f"{path} cannot be read: {error.strerror or error}", code="unreadable-file", file=str(path)
        ) from error


def _read_text(path: Path, folder: Path, largest: int) -> Document:
    with path.open("rb") as stream:
        data = stream.read(largest + 1)
    if len(data) > largest:
        raise InputError(
            f"{path}: longer than {largest} bytes", code="document-too-long", file=str(path), limit=largest
        )
    start = len(BOM) if data.startswith(BOM) else 0
    text = decode_text(data[start:], path, offset=start, line=1)
    return Document(text=text, label=path.parent.name if path.parent != folder else None)
