"""Groups of commands that import a command only when it is called, so that help is instant."""

from __future__ import annotations

import importlib
from collections.abc import Mapping

import click

Verbs = Mapping[str, tuple[str, str]]
"""Name -> (module that holds the command under that name, one line of help)."""


class LazyGroup(click.Group):
    """A group that knows its commands' names and one-liners without importing them.

    sections : title -> verbs. Help shows them in this order; a title says what a user wants there.
    """

    def __init__(self, *, name: str, help: str, sections: Mapping[str, Verbs]) -> None:  # noqa: A002
        super().__init__(name=name, help=help, context_settings={"help_option_names": ["-h", "--help"]})
        self.sections = sections
        self._verbs = {verb: place for verbs in sections.values() for verb, place in verbs.items()}

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self._verbs)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self._verbs:
            return None
        module = importlib.import_module(self._verbs[cmd_name][0])
        command = getattr(module, cmd_name.replace("-", "_"))
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        widest = max(map(len, self._verbs))
        for title, verbs in self.sections.items():
            with formatter.section(title):
                formatter.write_dl([(f"{name:{widest}}", line) for name, (_, line) in verbs.items()])
