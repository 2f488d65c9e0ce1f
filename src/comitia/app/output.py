"""What commands print: tables and colour for people, JSON for machines, errors for both."""

from __future__ import annotations

import json
import shutil
import sys
import textwrap
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final, TextIO, TypeVar

import click

from comitia.core.errors import ComitiaError, InputError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

BLOCK_SHOWN: Final = 16
"""Digits of a block's hash that people are shown; `comitia ledger show` takes them."""

_GAP: Final = 2
"""Spaces between the columns of a table."""

F = TypeVar("F", bound=Callable[..., Any])
V = TypeVar("V")


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


def emit_each(values: Iterable[V], output: str) -> list[V]:
    """Collect values; for machines each is printed as soon as it is there, one JSON object a line."""
    collected = []
    for value in values:
        collected.append(value)
        emit(value, output, lambda: None)
    return collected


def say(text: str) -> None:
    """Print a sentence for people; on a terminal no word is broken at its edge."""
    click.echo(_folded(text, sys.stdout))


def warn(text: str) -> None:
    """Print on standard error what a person should know of a command that went well."""
    click.echo(click.style("warning: ", fg="yellow", bold=True) + _folded(text, sys.stderr, indent=9), err=True)


def confirm(question: str, output: str) -> None:
    """Have a person say yes, on a terminal.

    Raises
    ------
    InputError
        `not-confirmed`: the answer is no, or nobody is there to give one.
    """
    asked = output != "json" and sys.stdin.isatty()
    if not (asked and click.confirm(question, err=True)):
        raise InputError(
            "nothing was done: the answer was no" if asked else "nothing was done: nobody is there to say yes",
            code="not-confirmed",
            hint="" if asked else "run it at a terminal, or give --yes once you have looked at what it asks about",
        )


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]], *, empty: str = "none") -> None:
    """Print a table; numbers stand right, columns without a value are left out.

    Where the terminal is too narrow, cells are folded at spaces. Where whole words do not fit side by side either,
    the values of each row stand one below the other.

    Parameters
    ----------
    empty : str
        Said instead where there are no rows.
    """
    listed = [tuple(row) for row in rows]
    shown = [index for index in range(len(columns)) if any(str(row[index]) for row in listed)]
    if title:
        click.echo(click.style(title, italic=True))
    if not listed:
        click.echo(empty)
        return
    names = [columns[index] for index in shown]
    cells = [[str(row[index]) for index in shown] for row in listed]
    numeric = [all(isinstance(row[index], int | float) or row[index] == "" for row in listed) for index in shown]
    screen = console()
    widths = column_widths([names, *cells], screen.width - _GAP * (len(shown) - 1))
    if widths is None:
        _one_below_the_other(names, cells)
    else:
        screen.print(_sheet(names, cells, numeric, widths))
    if title:
        click.echo()


def column_widths(cells: Sequence[Sequence[str]], room: int) -> list[int] | None:
    """How wide the columns of some lines of cells are in so much room; None if a word would have to be broken."""
    from rich.cells import cell_len

    columns = list(zip(*cells, strict=True))
    wanted = [max(cell_len(line) for cell in column for line in cell.split("\n")) for column in columns]
    least = [max((cell_len(word) for cell in column for word in cell.split()), default=0) for column in columns]
    for widest in range(max(wanted), -1, -1):
        widths = [max(low, min(high, widest)) for low, high in zip(least, wanted, strict=True)]
        if sum(widths) <= room:
            return widths
    return None


def _sheet(
    names: Sequence[str], cells: Sequence[Sequence[str]], numeric: Sequence[bool], widths: Sequence[int]
) -> Table:
    """A table without lines between columns; rows are apart where one of them takes several lines."""
    from rich.box import SIMPLE_HEAD
    from rich.cells import cell_len
    from rich.table import Table
    from rich.text import Text

    folded = any(
        cell_len(cell) > width or "\n" in cell for row in cells for cell, width in zip(row, widths, strict=True)
    )
    sheet = Table(
        box=SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        padding=(0, _GAP - 1, 0, 0),
        leading=int(folded),
        header_style="bold",
    )
    for name, number, width in zip(names, numeric, widths, strict=True):
        sheet.add_column(Text(name), justify="right" if number else "left", width=width)
    for row in cells:
        sheet.add_row(*map(Text, row))
    return sheet


def _one_below_the_other(names: Sequence[str], cells: Sequence[Sequence[str]]) -> None:
    longest = max(map(len, names))
    for number, row in enumerate(cells):
        if number:
            click.echo()
        for name, cell in zip(names, row, strict=True):
            if cell:
                click.echo(f"{click.style(f'{name:{longest}}', bold=True)}  {' '.join(cell.split())}")


def fail(error: ComitiaError, *, as_json: bool) -> int:
    """Print an error on standard error; returns the exit status that goes with it."""
    if as_json:
        click.echo(json.dumps(error.as_dict(), default=_readable, ensure_ascii=False), err=True)
    else:
        click.echo(click.style("error: ", fg="red", bold=True) + _folded(error.message, sys.stderr, indent=7), err=True)
        if error.hint:
            click.echo(click.style("hint:  ", bold=True) + _folded(error.hint, sys.stderr, indent=7), err=True)
        click.echo(click.style(f"       ({error.code})", dim=True), err=True)
    sys.stderr.flush()
    return error.exit_status


def _folded(text: str, stream: TextIO, *, indent: int = 0) -> str:
    """A text with the lines of a terminal; whole where `stream` is none, so that programs find it."""
    if not stream.isatty():
        return text
    width = max(shutil.get_terminal_size().columns, 40)
    lines = textwrap.wrap(text, width, initial_indent=" " * indent, subsequent_indent=" " * indent)
    return "\n".join(lines).lstrip()


def _readable(value: object) -> object:
    if isinstance(value, bytes):
        return value.hex()
    return str(value)
