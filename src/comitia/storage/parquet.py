"""Tables in Parquet, whose damage the reader does not always tell."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from comitia.core.errors import InputError
from comitia.storage.columns import Columns, document_of, empty_file, places_of
from comitia.text.documents import Document

_PARQUET_MAGIC = b"PAR1"
_PARQUET_ROWS = 256
_READ_ALL = "import sys; from arro3.io import read_parquet; [None for _ in read_parquet(sys.argv[1])]"


def read_parquet(path: Path, columns: Columns, largest: int) -> Iterator[Document]:
    """Documents of a table; a row is refused above `largest` characters of text."""
    from arro3.io import read_parquet as read_batches

    _require_footer(path)
    _require_readable(path)
    try:
        batches = read_batches(str(path), batch_size=_PARQUET_ROWS)
        places = places_of(list(batches.schema.names), columns, path)
        row = 0
        for batch in batches:
            values = {field: batch.column(place).to_pylist() for field, place in places.items()}
            for index in range(batch.num_rows):
                row += 1
                yield _parquet_row({field: column[index] for field, column in values.items()}, path, row, largest)
    except (InputError, GeneratorExit, KeyboardInterrupt):
        raise
    except Exception as error:
        raise _not_parquet(path, str(error)) from error


def _require_footer(path: Path) -> None:
    """Refuse what is plainly no Parquet file, or one cut short, and say which.

    A file is PAR1, data, the footer, the footer's length in 4 bytes, little-endian, PAR1.
    """
    with path.open("rb") as stream:
        size = stream.seek(0, os.SEEK_END)
        if size == 0:
            raise empty_file(path)
        stream.seek(0)
        start = stream.read(4)
        stream.seek(max(0, size - 8))
        end = stream.read(8)
    if start != _PARQUET_MAGIC:
        raise _not_parquet(path, "it does not begin as one")
    if end[4:] != _PARQUET_MAGIC or int.from_bytes(end[:4], "little") > size - 12:
        raise _not_parquet(path, "its end is missing; it was cut short")


def _require_readable(path: Path) -> None:
    """Let another process read the file first: of some damage in a footer the reader does not tell, it aborts."""
    command = [sys.executable, "-P", "-c", _READ_ALL, str(path)]
    if subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False).returncode:
        raise _not_parquet(path, "its footer or a page of it is damaged")


def _not_parquet(path: Path, reason: str) -> InputError:
    return InputError(
        f"{path} is not a Parquet file that can be read: {reason}",
        code="unreadable-file",
        hint="write it again, or give the documents as CSV or JSONL",
        file=str(path),
    )


def _parquet_row(values: Mapping[str, Any], path: Path, row: int, largest: int) -> Document:
    try:
        document = document_of(values)
    except ValueError as error:
        raise InputError(f"{path}, row {row}: {error}", code="bad-row", file=str(path), row=row) from error
    if len(document.text) > largest:
        raise InputError(
            f"{path}, row {row}: longer than {largest} characters",
            code="document-too-long",
            file=str(path),
            row=row,
            limit=largest,
        )
    return document
