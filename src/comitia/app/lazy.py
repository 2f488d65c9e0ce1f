"""Groups of commands that import a command only when it is called, so that help is instant."""

from __future__ import annotations

import importlib
from collections.abc import Mapping

import click


class LazyGroup(click.Group):
    """A group that knows its commands' names and one-liners without importing them.

    verbs : name -> (module that holds the command under that name, one line of help).
    """

    def __init__(self, *, name: str, help: str, verbs: Mapping[str, tuple[str, str]]) -> None:  # noqa: A002
        super().__init__(name=name, help=help, context_settings={"help_option_names": ["-h", "--help"]})
        self.verbs = verbs

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.verbs)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.verbs:
            return None
        module = importlib.import_module(self.verbs[cmd_name][0])
        command = getattr(module, cmd_name.replace("-", "_"))
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in self.verbs.items()])
