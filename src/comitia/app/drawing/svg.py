"""What hand-written SVG needs everywhere: the document around it, and text that XML can hold."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape


def document(width: int, height: int, body: Iterable[str], *, title: str, style: str) -> str:
    """A whole SVG document on a white ground; the same body gives the same bytes."""
    return "\n".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
            f'viewBox="0 0 {width} {height}" role="img">',
            f"<title>{plain(title)}</title>",
            f"<style>text{{font-family:'Helvetica Neue',Arial,'DejaVu Sans',sans-serif}}{style}</style>",
            '<rect width="100%" height="100%" fill="#ffffff"/>',
            *body,
            "</svg>\n",
        )
    )


def plain(text: str, most: int | None = None) -> str:
    """Text that XML can hold, cut to at most so many letters."""
    if most is not None and len(text) > most:
        text = text[: most - 1] + "…"
    return escape("".join(letter if letter.isprintable() else " " for letter in text))
