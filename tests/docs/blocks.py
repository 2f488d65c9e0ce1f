"""Code blocks of the documentation, read from its Markdown."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = (
    *sorted((ROOT / "docs").rglob("*.md")),
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "SECURITY.md",
)

_FENCE = re.compile(
    r"^(?P<indent>[ ]*)```(?P<language>\w*)[^\n]*\n(?P<body>.*?)^(?P=indent)```[ ]*$",
    re.MULTILINE | re.DOTALL,
)
_SHELL = frozenset({"|", ">", ">>", "&&", "||", ";", "&"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One fenced block.

    page: path from the repository's root, e.g. "docs/index.md"
    line: line of the opening fence, counted from 1
    language: the word after the fence
    body: text between the fences, without the fence's indentation
    """

    page: str
    line: int
    language: str
    body: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One `$ comitia ...` line of a console block: where it stands, and its words after `comitia`."""

    place: str
    words: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.place} comitia {' '.join(self.words)}"


def blocks_of(text: str, page: str) -> Iterator[Block]:
    """Fenced blocks of a page, in order."""
    for match in _FENCE.finditer(text):
        indent = len(match["indent"])
        body = "".join(line[indent:] for line in match["body"].splitlines(keepends=True))
        line = text.count("\n", 0, match.start()) + 1
        yield Block(page=page, line=line, language=match["language"], body=body)


def blocks(language: str) -> list[Block]:
    """All blocks of one language in the documentation."""
    return [
        block
        for path in PAGES
        if path.is_file()
        for block in blocks_of(path.read_text(encoding="utf-8"), path.relative_to(ROOT).as_posix())
        if block.language == language
    ]


def commands_of(block: Block) -> Iterator[Command]:
    """The `$ comitia ...` lines of a console block, continued lines joined, pipes and redirections cut off."""
    for line in block.body.replace("\\\n", " ").splitlines():
        if line.startswith("$ comitia"):
            words = shlex.split(line.removeprefix("$ "), comments=True)[1:]
            end = next((place for place, word in enumerate(words) if word in _SHELL), len(words))
            yield Command(place=str(block), words=tuple(words[:end]))
