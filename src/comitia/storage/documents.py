"""Reading documents: CSV, JSON lines, Parquet, folders of text files, log files with a line a document.

Readers stream. However long a line or large a file, no more than a few documents are in memory at once,
and what cannot be read is refused with the place where it stands; a document is never skipped silently.
"""

from __future__ import annotations

import csv
import glob
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from comitia.core.errors import InputError
from comitia.text.documents import Document

LARGEST_DOCUMENT = 4 << 20
"""Most bytes of one document, line or row, unless told otherwise."""

_BOM = b"\xef\xbb\xbf"
_TABLES = {".csv": "csv", ".tsv": "tsv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet"}
_PARQUET_MAGIC = b"PAR1"
_PARQUET_ROWS = 256
_READ_ALL = "import sys; from arro3.io import read_parquet; [None for _ in read_parquet(sys.argv[1])]"
_REPORT_EVERY = 256
_OPEN_QUOTE = "a quotation mark that was opened in it is not closed before the end of the file"
_QUOTES = (
    "Look at the quotation marks from where the row begins: a value with line breaks, commas or quotation marks in it "
    'stands in "...", and a quotation mark in it is written twice: "".'
)
_JSON_LINES = (
    "Each line holds one JSON object, whole. A file that holds one list of objects becomes such lines with: "
    "jq -c '.[]' OLD > NEW"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Which column of a table holds what; None where it is not asked for.

    Attributes
    ----------
    text : str or None
        Needed for tables; text and log files have none.
    label, user, provider : str or None
        An empty value there is read as unknown. A list of labels is read as its only entry, as unknown if it has
        none or several: a document trains one category.
    """

    text: str | None = None
    label: str | None = None
    user: str | None = None
    provider: str | None = None

    def present(self) -> dict[str, str]:
        """Field of `Document` -> column, for the columns that are asked for."""
        fields = {"text": self.text, "label": self.label, "user": self.user, "provider": self.provider}
        return {field: column for field, column in fields.items() if column is not None}


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
            yield from _read_parquet(path, columns, largest)
        elif kind:
            with path.open("rb") as stream:
                lines = _Lines(path, stream, largest)
                read = _read_jsonl if kind == "jsonl" else _read_csv
                yield from read(lines, columns, "\t" if kind == "tsv" else ",")
        elif folder is not None:
            yield _read_text(path, folder, largest)
        else:
            with path.open("rb") as stream:
                yield from (
                    Document(text=line.rstrip("\r\n")) for line in _Lines(path, stream, largest) if line.strip()
                )
    except OSError as error:
        raise InputError(
            f"{path} cannot be read: {error.strerror or error}", code="unreadable-file", file=str(path)
        ) from error


class _Lines:
    """Lines of a UTF-8 file, each bounded in length; counts lines and bytes for messages.

    Messages name the row in hand, which in a CSV may have begun lines before: a quotation mark is missing there.
    """

    def __init__(self, path: Path, stream: IO[bytes], largest: int) -> None:
        self.path = path
        self.number = 0
        self._stream = stream
        self._offset = 0
        self._row_line = 0
        self._row_offset = 0
        self._row_length = 0
        self._largest = largest

    def __iter__(self) -> Iterator[str]:
        """Lines of one row each."""
        return self._draw(rows=True)

    def _draw(self, *, rows: bool) -> Iterator[str]:
        # One byte more than allowed tells a full line from a longer one, however long that is.
        while line := self._stream.readline(self._largest + 1):
            self.number += 1
            if rows:
                self._begin_row(self.number)
            self._row_length += len(line)
            if self._row_length > self._largest:
                raise self._too_long()
            begin, self._offset = self._offset, self._offset + len(line)
            start = len(_BOM) if begin == 0 and line.startswith(_BOM) else 0
            yield _decode(line[start:], self.path, offset=begin + start, line=self.number)

    def _begin_row(self, line: int) -> None:
        self._row_line, self._row_offset, self._row_length = line, self._offset, 0

    @property
    def _place(self) -> str:
        lines = f"line {self._row_line}"
        if self._row_line < self.number:
            lines = f"the row that begins in line {self._row_line} and goes on to line {self.number}"
        return f"{self.path}, {lines} (from byte {self._row_offset})"

    def _too_long(self) -> InputError:
        spans = self._row_line < self.number
        return InputError(
            f"{self._place}: longer than {self._largest} bytes",
            code="document-too-long",
            hint=_QUOTES
            if spans
            else "Check that the file has line breaks; long documents can be split or be files in a folder.",
            file=str(self.path),
            line=self._row_line,
            offset=self._row_offset,
            limit=self._largest,
        )

    def bad_row(self, reason: str, hint: str = "") -> InputError:
        """The error for the row in hand, which is not well formed."""
        return InputError(
            f"{self._place}: {reason}",
            code="bad-row",
            hint=hint,
            file=str(self.path),
            line=self._row_line,
            offset=self._row_offset,
        )

    def bounded_rows(self, delimiter: str) -> Iterator[list[str]]:
        """Rows of a CSV; a quoted value may span lines, a row may not pass the limit."""
        rows = csv.reader(self._draw(rows=False), delimiter=delimiter, strict=True)
        while True:
            self._begin_row(self.number + 1)
            try:
                row = next(rows)
            except StopIteration:
                return
            except csv.Error as error:
                reason = _OPEN_QUOTE if str(error) == "unexpected end of data" else str(error)
                raise self.bad_row(reason, _QUOTES) from error
            if row:
                yield row


def _decode(data: bytes, path: Path, *, offset: int, line: int) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        at = offset + error.start
        line += data[: error.start].count(b"\n")
        raise InputError(
            f"{path}, line {line}, byte {at}: not UTF-8 (byte 0x{data[error.start]:02x})",
            code="not-utf-8",
            hint="Save the file as UTF-8, for instance: iconv -f WINDOWS-1252 -t UTF-8 OLD > NEW",
            file=str(path),
            line=line,
            offset=at,
        ) from error


def _read_csv(lines: _Lines, columns: Columns, delimiter: str) -> Iterator[Document]:
    # The module's own limit on a value is one for the whole process; the rows are bounded here instead.
    csv.field_size_limit(max(csv.field_size_limit(), LARGEST_DOCUMENT))
    rows = lines.bounded_rows(delimiter)
    header = next(rows, None)
    if header is None:
        raise _empty(lines.path)
    places = _places(header, columns, lines.path)
    for row in rows:
        if len(row) != len(header):
            raise lines.bad_row(f"{len(row)} values where the header has {len(header)} columns", _QUOTES)
        yield _document({field: row[place] for field, place in places.items()})


def _read_jsonl(lines: _Lines, columns: Columns, _delimiter: str) -> Iterator[Document]:
    text_column = _needed_text_column(columns, lines.path)
    for line in lines:
        if not line.strip():
            continue
        try:
            row = json.loads(line.rstrip("\r\n"))
        except json.JSONDecodeError as error:
            what = error.msg.removesuffix(" at")
            raise lines.bad_row(f"not JSON from character {error.pos + 1} on: {what}", _JSON_LINES) from error
        except (ValueError, RecursionError) as error:
            raise lines.bad_row(f"JSON that is not accepted: {error}", _JSON_LINES) from error
        if not isinstance(row, dict):
            raise lines.bad_row("not a JSON object", _JSON_LINES)
        if text_column not in row:
            raise _unknown_column(text_column, list(row), f"{lines.path}, line {lines.number}")
        values = {field: row.get(column) for field, column in columns.present().items()}
        try:
            yield _document(values)
        except ValueError as error:
            raise lines.bad_row(str(error), "text, label and user are text or numbers") from error
    if lines.number == 0:
        raise _empty(lines.path)


def _read_parquet(path: Path, columns: Columns, largest: int) -> Iterator[Document]:
    from arro3.io import read_parquet

    _require_footer(path)
    _require_readable(path)
    try:
        batches = read_parquet(str(path), batch_size=_PARQUET_ROWS)
        places = _places(list(batches.schema.names), columns, path)
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
            raise _empty(path)
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
        document = _document(values)
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


def _read_text(path: Path, folder: Path, largest: int) -> Document:
    with path.open("rb") as stream:
        data = stream.read(largest + 1)
    if len(data) > largest:
        raise InputError(
            f"{path}: longer than {largest} bytes", code="document-too-long", file=str(path), limit=largest
        )
    start = len(_BOM) if data.startswith(_BOM) else 0
    text = _decode(data[start:], path, offset=start, line=1)
    return Document(text=text, label=path.parent.name if path.parent != folder else None)


def _places(names: Sequence[str], columns: Columns, path: Path) -> dict[str, int]:
    """Field of `Document` -> index of its column."""
    _needed_text_column(columns, path, names)
    places = {}
    for field, column in columns.present().items():
        if column not in names:
            raise _unknown_column(column, names, str(path))
        places[field] = list(names).index(column)
    return places


def _needed_text_column(columns: Columns, path: Path, names: Sequence[str] = ()) -> str:
    if columns.text is None:
        there = f" Columns: {', '.join(names)}." if names else ""
        raise InputError(
            f"{path} is a table: say which column holds the text",
            code="column-needed",
            hint=f"--text-column NAME.{there}",
            file=str(path),
            columns=list(names),
        )
    return columns.text


def _unknown_column(column: str, names: Sequence[str], where: str) -> InputError:
    return InputError(
        f"{where} has no column {column!r}",
        code="unknown-column",
        hint=f"Columns there are: {', '.join(names)}",
        column=column,
        columns=list(names),
        file=where,
    )


def _empty(path: Path) -> InputError:
    return InputError(f"{path} is empty", code="empty-input", file=str(path))


def _document(values: Mapping[str, Any]) -> Document:
    """A document from the values of one row; ValueError names what is not text or a number."""
    plain: dict[str, str | None] = {}
    for field, given in values.items():
        value = _only(given) if field == "label" and isinstance(given, list) else given
        if value is not None and not isinstance(value, str | int | float):
            raise ValueError(f"the {field} is {_KINDS.get(type(value), 'of another type')}, not text")
        plain[field] = None if value is None else str(value)
    text = plain.pop("text", None) or ""
    return Document(text=text, **{field: value or None for field, value in plain.items()})


_KINDS: Mapping[type, str] = {bool: "true or false", list: "a list", dict: "an object"}


def _only(labels: list[Any]) -> Any:
    return labels[0] if len(labels) == 1 else None
