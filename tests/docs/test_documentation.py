"""What the documentation shows works: Python blocks run, command lines parse, links and the navigation are whole."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest
from blocks import PAGES, ROOT, Block, Command, blocks, blocks_of, commands_of

from comitia.app.cli import cli

COMMANDS = [command for block in blocks("console") for command in commands_of(block)]
DOCS = ROOT / "docs"


@pytest.mark.parametrize("block", blocks("python"), ids=str)
def test_python_block_runs(block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    exec(compile(block.body, str(block), "exec"), {"__name__": "__main__"})


@pytest.mark.parametrize("command", COMMANDS, ids=str)
def test_command_line_parses(command: Command) -> None:
    assert parse_error(cli, command.words) == ""


def parse_error(root: click.Group, words: tuple[str, ...]) -> str:
    """Why a command line does not parse, or "". Files are not looked for; choices and numbers are judged."""
    command: click.Command = root
    context: click.Context | None = None
    rest = list(words)
    try:
        while True:
            context = command.make_context(command.name, rest, parent=context)
            if not isinstance(command, click.Group):
                return ""
            _, inner, rest = command.resolve_command(context, [*context._protected_args, *context.args])
            assert inner is not None
            command = inner
    except click.UsageError as error:
        return error.format_message()
    except click.exceptions.Exit:
        return ""


@pytest.fixture(autouse=True)
def no_files_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take paths as they are written: the documentation's files are the reader's."""
    monkeypatch.setattr(click.Path, "convert", lambda self, value, parameter, context: Path(value))


def test_parser_finds_what_is_wrong() -> None:
    @click.group()
    def root() -> None: ...

    @root.command()
    @click.argument("directory")
    @click.option("--format", type=click.Choice(["text", "json"]))
    def status(directory: str, **_: str) -> None: ...

    assert parse_error(root, ("status", "plant-a", "--format", "json")) == ""
    assert parse_error(root, ("status", "--help")) == ""
    assert "missing" in parse_error(root, ("status",)).lower()
    assert "colour" in parse_error(root, ("status", "x", "--colour"))
    assert "xml" in parse_error(root, ("status", "x", "--format", "xml"))
    assert "stat" in parse_error(root, ("stat",))


def test_blocks_are_found() -> None:
    text = 'a\n\n```console\n$ comitia ask m.comitia \\\n    "pump leaks" | head\npump\n```\n'
    (block,) = blocks_of(text, "page.md")
    assert (block.line, block.language) == (3, "console")
    assert [command.words for command in commands_of(block)] == [("ask", "m.comitia", "pump leaks")]


@pytest.mark.parametrize("path", [path for path in PAGES if path.is_file()], ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path) -> None:
    text = re.sub(r"```.*?```|`[^`\n]*`", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text):
        if "://" not in target and not target.startswith("mailto:"):
            assert (path.parent / target).exists(), f"{path.name} links to {target}"


def test_every_page_is_in_the_navigation() -> None:
    listed = set(re.findall(r"[\w./-]+\.md", (ROOT / "mkdocs.yml").read_text(encoding="utf-8")))
    pages = {path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md")}
    assert pages == listed
