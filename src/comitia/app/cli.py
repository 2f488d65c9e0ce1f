"""`comitia`: the command line. Each verb is imported when it is called, so that help is instant."""

from __future__ import annotations

import importlib
import sys
from itertools import pairwise
from typing import Any, Final

import click

from comitia import __version__
from comitia.app.output import fail
from comitia.core.errors import ComitiaError

_VERBS: Final[dict[str, tuple[str, str]]] = {
    "demo": ("demo", "The whole job on this machine, on real work orders."),
    "init": ("consortium", "Found a consortium: genesis, administrator's keys, first super node."),
    "join": ("consortium", "Make a node's keys and its request to join."),
    "approve": ("consortium", "Admit a node (administrator)."),
    "codebook": (
        "codebook",
        "Build, inspect and publish what all members know: categories, words, references.",
    ),
    "super-node": ("run", "Run a super node."),
    "provider": ("run", "Run a provider on its own documents."),
    "policy": ("policy", "Who may use this provider's data, for what, at what epsilon."),
    "request": ("request", "Ask for a model over many providers' documents."),
    "ask": ("request", "Ask a model; offline."),
    "verify": ("request", "Check a model's proof; offline."),
    "ledger": ("ledger", "Blocks, sharing events, audit, export."),
    "budget": ("policy", "Privacy spent, reserved and left."),
    "status": ("health", "What is up."),
    "doctor": ("health", "What is wrong, and how to mend it."),
    "stop": ("health", "End the nodes that a command left running."),
    "bench": ("bench", "Measure Comitia on your data."),
}


class _Verbs(click.Group):
    """A group that knows its commands' names and one-liners without importing them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _VERBS:
            return None
        module = importlib.import_module(f"comitia.app.commands.{_VERBS[cmd_name][0]}")
        command = getattr(module, cmd_name.replace("-", "_"))
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in _VERBS.items()])


@click.group(cls=_Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="comitia")
def cli() -> None:
    """Answers from many owners' text data, without the text leaving its owner."""


def main(arguments: list[str] | None = None) -> Any:
    """Run the command line; errors become a message and a documented exit status."""
    words = sys.argv[1:] if arguments is None else arguments
    try:
        return cli.main(args=words, prog_name="comitia", standalone_mode=False) or 0
    except ComitiaError as error:
        return fail(error, as_json=_wants_json(words))
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.ClickException as error:
        error.show()
        return 2
    except (click.Abort, KeyboardInterrupt):
        click.echo("stopped", err=True)
        return 130


def _wants_json(words: list[str]) -> bool:
    return "--format=json" in words or ("--format", "json") in pairwise(words)


def entry() -> None:
    """The console script."""
    sys.exit(main())
