"""Lines of a text file, bounded in length, and the place where one cannot be read."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from comitia.core.errors import InputError

BOM = b"\xef\xbb\xbf"
CHECK_QUOTES = (
    "Look at the quotation marks from where the row begins: a value with line breaks, commas or quotation marks in it "
    'stands in "...", and a quotation mark in it is written twice: "".'
)
_OPEN_QUOTE = "a quotation mark that was opened in it is not closed before the end of the file"


class Lines:
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
            start = len(BOM) if begin == 0 and line.startswith(BOM) else 0
            yield decode_text(line[start:], self.path, offset=begin + start, line=self.number)

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
            hint=CHECK_QUOTES
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
                raise self.bad_row(reason, CHECK_QUOTES) from error
            if row:
                yield row


def decode_text(data: bytes, path: Path, *, offset: int, line: int) -> str:
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
