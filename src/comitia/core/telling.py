"""How long work tells what it is doing: in a few words, to whoever asked for it."""

from __future__ import annotations

from collections.abc import Callable

Say = Callable[[str], None]
"""Takes what is being done, such as ``counting words``; called now and then, from the thread that works."""


def silent(_: str) -> None:
    """Tells nobody."""
