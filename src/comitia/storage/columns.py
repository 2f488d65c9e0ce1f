"""Which column of a table holds what, and how a row becomes a document."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from comitia.core.errors import InputError
from comitia.text.documents import Document

LARGEST_DOCUMENT = 4 << 20
"""Most bytes of one document, line or row, unless told otherwise."""

OPTIONS: Final = {"text": "--text-column", "label": "--label-column", "user": "--user-column"}
"""The option that names the column of a field of `Document`, in every command that has one."""


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


def places_of(names: Sequence[str], columns: Columns, path: Path) -> dict[str, int]:
    """Field of `Document` -> index of its column."""
    require_text_column(columns, path, names)
    places = {}
    for field, column in columns.present().items():
        if column not in names:
            raise unknown_column(field, column, names, str(path))
        places[field] = list(names).index(column)
    return places


def require_text_column(columns: Columns, path: Path, names: Sequence[str] = ()) -> str:
    """The column of the text, without which no table is read."""
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


def unknown_column(field: str, column: str, names: Sequence[str], where: str) -> InputError:
    """The error for a column that is asked for as a `field` of `Document` and is not there."""
    there = f"Columns there are: {', '.join(names)}"
    return InputError(
        f"{where} has no column {column!r}",
        code="unknown-column",
        hint=f"{there}. Say which one it is with {OPTIONS[field]}" if field in OPTIONS else there,
        column=column,
        columns=list(names),
        file=where,
    )


def empty_file(path: Path) -> InputError:
    """The error for a table without even a header."""
    return InputError(f"{path} is empty", code="empty-input", file=str(path))


def document_of(values: Mapping[str, Any]) -> Document:
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
