"""Make docs/reference/cli.md from the command line, and docs/reference/errors.md from the errors in the code.

python tools/reference.py            # write both
python tools/reference.py --check    # write nothing; exit status 1 if one of them is old
"""

from __future__ import annotations

import argparse
import ast
import inspect
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from comitia.app.cli import cli
from comitia.core import errors

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src" / "comitia"
CLI = ROOT / "docs" / "reference" / "cli.md"
ERRORS = ROOT / "docs" / "reference" / "errors.md"

ERRORS_HEAD = """# Errors and exit statuses

Every error says what happened, to which input, and what to do. Its code is stable; with `--format json` an error
is one JSON object on standard error: `{"error": code, "message": ..., "hint": ..., "values": {...}}`.

| exit status | meaning |
|---|---|
| 0 | done |
| 1 | a mistake in Comitia; please report it |
| 2 | the command line was not understood (`bad-usage`) |
| 3 | the data, arguments or files given cannot be used |
| 4 | configuration, keys, genesis or membership do not fit; an extra is missing; `comitia doctor` found something |
| 5 | refused by a policy or by the privacy budget; nothing was released |
| 6 | a peer, port or network is not there at the moment |
| 7 | the session ended without a model |
| 8 | a model, codebook, proof or ledger is damaged or fails its verification |
| 9 | this node's storage failed |
| 10 | another party broke the protocol |
| 130 | stopped by hand |

`session-aborted` says why in its message. Where nobody could judge the releases, `values` has `epsilon`, and of each
such release its `signals` and `expected_signals`, in standard deviations of its noise. A signal below 0 is not used,
not even with `--accept-unverified`: with so few documents and so small an epsilon, noise hides what the release knows.
`enough_epsilon` is the least epsilon of one digit at which, by what these releases let expect, that leaves no model
less than once in 100 requests, public knowledge being half as true as it says; null where none is.
`comitia request --preview` tells before.

This table is made from the code by `python tools/reference.py`.

| code | exit status | raised in |
|---|---|---|
"""


def cli_page() -> str:
    """The command line, verb by verb."""
    parts = ["# Command line\n", "This page is made from the commands by `python tools/reference.py`.\n"]
    context = click.Context(cli, info_name="comitia", color=False, max_content_width=100, terminal_width=100)
    for path, command in _commands(cli, context):
        parts.append(f"## {path.command_path}\n\n```text\n{command.get_help(path)}\n```\n")
    return "\n".join(parts)


def _commands(command: click.Command, context: click.Context) -> Iterator[tuple[click.Context, click.Command]]:
    yield context, command
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None
            below = click.Context(inner, info_name=name, parent=context, max_content_width=100, terminal_width=100)
            yield from _commands(inner, below)


def errors_page() -> str:
    """Every code, its exit status and the modules that raise it."""
    statuses = {
        name: kind.exit_status
        for name, kind in inspect.getmembers(errors, inspect.isclass)
        if issubclass(kind, errors.ComitiaError)
    }
    found: dict[tuple[str, int], set[str]] = {}
    for path in sorted(SOURCE.rglob("*.py")):
        module = ".".join(path.relative_to(SOURCE.parent).with_suffix("").parts)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in statuses:
                for code in _codes(node):
                    found.setdefault((code, statuses[node.func.id]), set()).add(module)
    rows = [
        f"| `{code}` | {status} | {', '.join(sorted(places))} |" for (code, status), places in sorted(found.items())
    ]
    return ERRORS_HEAD + "\n".join(rows) + "\n"


def _codes(call: ast.Call) -> list[str]:
    """The codes that a call may give: one, or both of a conditional."""
    for keyword in call.keywords:
        if keyword.arg == "code":
            return [
                n.value for n in ast.walk(keyword.value) if isinstance(n, ast.Constant) and isinstance(n.value, str)
            ]
    return []


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    old = False
    for path, text in ((CLI, cli_page()), (ERRORS, errors_page())):
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            old = True
            if check:
                print(f"{path.relative_to(ROOT)} is old: run python tools/reference.py", file=sys.stderr)  # noqa: T201
            else:
                path.write_text(text, encoding="utf-8")
    return int(check and old)


if __name__ == "__main__":
    sys.exit(main())
