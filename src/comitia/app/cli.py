"""`comitia`: the command line."""

from __future__ import annotations

import errno
import os
import signal
import sys
from itertools import pairwise
from typing import Any, Final

import click

from comitia import __version__
from comitia.app.lazy import LazyGroup, Verbs
from comitia.app.output import fail
from comitia.core.errors import ComitiaError, StorageError, UsageError

_SECTIONS: Final[dict[str, Verbs]] = {
    "See it work": {
        "demo": ("comitia.app.commands.demo", "The whole job on this machine, on real work orders."),
    },
    "Start and join a consortium": {
        "init": ("comitia.app.commands.consortium", "Found one: genesis, administrator's keys, first super node."),
        "join": ("comitia.app.commands.consortium", "Make a node's keys and its request to join."),
        "approve": ("comitia.app.commands.consortium", "Admit a node (administrator)."),
        "revoke": ("comitia.app.commands.consortium", "Exclude a member (administrator)."),
        "codebook": ("comitia.app.commands.codebook", "Build, inspect and publish what all members know."),
    },
    "Run nodes": {
        "super-node": ("comitia.app.commands.run", "Run a super node."),
        "provider": ("comitia.app.commands.run", "Run a provider on its own documents."),
        "witness": ("comitia.app.commands.run", "Run a witness: it judges, and shares nothing."),
        "references": ("comitia.app.commands.references", "Documents that a witness keeps back to judge by."),
        "policy": ("comitia.app.commands.policy", "Who may use this provider's data, for what, at what epsilon."),
        "budget": ("comitia.app.commands.budget", "Privacy spent, reserved and left."),
        "explore": ("comitia.app.commands.explore", "What your own unlabelled documents are about; offline."),
    },
    "Ask": {
        "find": ("comitia.app.commands.network", "Who is found under a category; nothing is asked of them."),
        "request": ("comitia.app.commands.request", "Ask for a model over many providers' documents."),
        "ask": ("comitia.app.commands.request", "Ask a model; offline."),
        "verify": ("comitia.app.commands.verify", "Check a model's proof; offline."),
        "export": ("comitia.app.commands.export", "A model as ONNX, with a card that says where it comes from."),
    },
    "Watch": {
        "status": ("comitia.app.commands.health", "What is up."),
        "doctor": ("comitia.app.commands.health", "What is wrong, and how to mend it."),
        "ledger": ("comitia.app.commands.ledger", "Blocks, sharing events, audit, export."),
        "network": ("comitia.app.commands.network", "Communities of providers with data alike, and who is there."),
        "stop": ("comitia.app.commands.health", "End the nodes that a command left running."),
    },
    "Measure": {
        "bench": ("comitia.app.commands.bench", "Measure Comitia on your data."),
        "simulate": ("comitia.app.commands.simulate", "The protocol under seeded faults and liars."),
    },
}

cli: Final = click.version_option(__version__, prog_name="comitia")(
    LazyGroup(
        name="comitia",
        help="Answers from many owners' text data, without the text leaving its owner.",
        sections=_SECTIONS,
    )
)


def main(arguments: list[str] | None = None) -> Any:
    """Run the command line; errors become a message and a documented exit status."""
    words = sys.argv[1:] if arguments is None else arguments
    try:
        return cli.main(args=words, prog_name="comitia", standalone_mode=False) or 0
    except ComitiaError as error:
        return fail(error, as_json=_wants_json(words))
    except BrokenPipeError:
        # Whoever read the output has seen enough; nothing may be written there any more, not even at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        return fail(_file_trouble(error), as_json=_wants_json(words))
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return 2
    except click.ClickException as error:
        return fail(_usage_trouble(error), as_json=_wants_json(words))
    except (click.Abort, KeyboardInterrupt):
        click.echo("stopped", err=True)
        return 130


def _file_trouble(error: OSError) -> StorageError:
    """What the operating system says of a file that no module has words of its own for."""
    path = "" if error.filename is None else str(error.filename)
    return StorageError(
        f"{path}: {error.strerror or error}" if path else str(error),
        code="disk-full" if error.errno == errno.ENOSPC else "file-trouble",
        hint="check that the folder exists, its permissions and the disk",
        path=path,
    )


def _usage_trouble(error: click.ClickException) -> UsageError:
    """What is wrong with the command line, in the form of all errors."""
    context = error.ctx if isinstance(error, click.UsageError) else None
    verb = context.command_path if context is not None else "comitia"
    return UsageError(error.format_message(), code="bad-usage", hint=f"see `{verb} --help`", command=verb)


def _wants_json(words: list[str]) -> bool:
    return "--format=json" in words or ("--format", "json") in pairwise(words)


def entry() -> None:
    """The console script. Whoever ends it by a signal gets what Ctrl-C does: what is open is put away first."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(main())
