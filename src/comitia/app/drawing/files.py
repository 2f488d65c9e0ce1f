"""Pictures and charts as files, .svg or .png by their name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from comitia.app.drawing import charts
from comitia.core.errors import InputError
from comitia.core.extras import extra


def require_picture(file: Path) -> None:
    """Refuse a picture that could not be written, before any work is done; as PNG it needs the extra `png`.

    Raises
    ------
    InputError
        Code ``bad-picture``: neither .svg nor .png.
    ConfigurationError
        Code ``extra-missing``.
    """
    if _ending(file) == "png":
        extra("resvg_py")


def require_chart(file: Path) -> None:
    """Refuse a chart that could not be written, likewise; it needs the extra `plots`."""
    _ending(file)
    extra("matplotlib")


def write_picture(file: Path, svg: str) -> None:
    """Write an SVG document into a file that `require_picture` accepts."""
    if _ending(file) == "svg":
        file.write_text(svg, encoding="utf-8")
    else:
        file.write_bytes(bytes(extra("resvg_py").svg_to_bytes(svg_string=svg)))


def write_charts(file: Path, panels: Sequence[charts.Chart], *, title: str = "") -> None:
    """Draw charts side by side into a file that `require_chart` accepts."""
    file.write_bytes(charts.draw(panels, title=title, form=_ending(file)))


def _ending(file: Path) -> str:
    ending = file.suffix.lower().removeprefix(".")
    if ending not in ("svg", "png"):
        raise InputError(
            f"{file} is neither an .svg nor a .png file",
            code="bad-picture",
            hint="name it something.svg",
            path=str(file),
        )
    return ending
