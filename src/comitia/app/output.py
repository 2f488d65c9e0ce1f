"""What commands print: tables and colour for people, JSON for machines, errors for both."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from comitia.core.errors import ComitiaError

if TYPE_CHECKING:
    from rich.console import Console

_WHOLE: Final = frozenset({"time", "epsilon"})
"""Columns that a narrow terminal does not break: half a date says nothing."""

F = TypeVar("F", bound=Callable[..., Any])


def format_option(command: F) -> F:
    """The option that every verb has."""
    return click.option(
        "--format",
        "output",
        type=click.Choice(["text", "json"]),
        default="text",
        show_default=True,
        help="For people or for machines.",
    )(command)


def console(*, stderr: bool = False) -> Console:
    """A terminal to write tables and colour to; plain where it is none."""
    from rich.console import Console

    return Console(stderr=stderr, highlight=False)


def emit(value: object, output: str, render: Callable[[], None]) -> None:
    """Print `value` as one JSON object a line, or let `render` print it for people."""
    if output == "json":
        click.echo(json.dumps(value, default=_readable, ensure_ascii=False))
    else:
        render()


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table; numbers stand right. Brackets in a cell are brackets: others wrote much of what tables hold."""
    from rich.table import Table
    from rich.text import Text

    listed = [tuple(row) for row in rows]
    sheet = Table(title=title or None, title_justify="left", header_style="bold")
    for index, name in enumerate(columns):
        numeric = bool(listed) and all(isinstance(row[index], int | float) for row in listed)
        whole = numeric or name in _WHOLE
        sheet.add_column(name, justify="right" if numeric else "left", overflow="fold", no_wrap=whole)
    for row in listed:
        sheet.add_row(*(Text(str(cell)) for cell in row))
    console().print(sheet)


def fail(error: ComitiaError, *, as_json: bool) -> int:
    """Print an error on standard error; returns the exit status that goes with it."""
    if as_json:
        click.echo(json.dumps(error.as_dict(), default=_readable, ensure_ascii=False), err=True)
    else:
        click.echo(click.style("error: ", fg="red", bold=True) + error.message, err=True)
        if error.hint:
            click.echo(click.style("hint:  ", bold=True) + error.hint, err=True)
        click.echo(click.style(f"       ({error.code})", dim=True), err=True)
    sys.stderr.flush()
    return error.exit_status


def _readable(value: object) -> object:
    if isinstance(value, bytes):
        return value.hex()
    return str(value)
