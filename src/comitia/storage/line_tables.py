"""Tables of lines: CSV and JSON lines."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator

from comitia.storage.columns import (
    LARGEST_DOCUMENT,
    Columns,
    document_of,
    empty_file,
    places_of,
    require_text_column,
    unknown_column,
)
from comitia.storage.lines import CHECK_QUOTES, Lines
from comitia.text.documents import Document

_JSON_LINES = (
    "Each line holds one JSON object, whole. A file that holds one list of objects becomes such lines with: "
    "jq -c '.[]' OLD > NEW"
)


def read_csv(lines: Lines, columns: Columns, delimiter: str) -> Iterator[Document]:
    """Documents of a table whose first row names the columns."""
    # The module's own limit on a value is one for the whole process; the rows are bounded here instead.
    csv.field_size_limit(max(csv.field_size_limit(), LARGEST_DOCUMENT))
    rows = lines.bounded_rows(delimiter)
    header = next(rows, None)
    if header is None:
        raise empty_file(lines.path)
    places = places_of(header, columns, lines.path)
    for row in rows:
        if len(row) != len(header):
            raise lines.bad_row(f"{len(row)} values where the header has {len(header)} columns", CHECK_QUOTES)
        yield document_of({field: row[place] for field, place in places.items()})


def read_jsonl(lines: Lines, columns: Columns) -> Iterator[Document]:
    """Documents of JSON objects, one a line."""
    text_column = require_text_column(columns, lines.path)
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
            raise unknown_column("text", text_column, list(row), f"{lines.path}, line {lines.number}")
        values = {field: row.get(column) for field, column in columns.present().items()}
        try:
            yield document_of(values)
        except ValueError as error:
            raise lines.bad_row(str(error), "text, label and user are text or numbers") from error
    if lines.number == 0:
        raise empty_file(lines.path)
