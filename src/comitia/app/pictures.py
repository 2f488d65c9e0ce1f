"""Pictures as files: SVG always, PNG with the extra `png`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from comitia.core.errors import ConfigurationError, InputError, StorageError
from comitia.text.picture import Panel, draw


def require_picture(file: Path) -> None:
    """Refuse a file that cannot be drawn, before any work is done.

    Raises
    ------
    InputError
        Code ``bad-picture``: neither .svg nor .png.
    ConfigurationError
        Code ``missing-extra``: PNG without the extra.
    """
    if file.suffix.lower() not in (".svg", ".png"):
        raise InputError(
            f"{file} is neither an .svg nor a .png file",
            code="bad-picture",
            hint="name it something.svg",
            path=str(file),
        )
    if file.suffix.lower() == ".png":
        try:
            import resvg_py  # noqa: F401
        except ImportError as error:
            raise ConfigurationError(
                "drawing PNG needs an extra package",
                code="missing-extra",
                hint="pip install 'comitia[png]', or name the file something.svg",
                extra="png",
            ) from error


def write_picture(file: Path, panels: Sequence[Panel]) -> None:
    """Draw the panels into a file that `require_picture` accepts.

    Raises
    ------
    StorageError
        If it cannot be written.
    """
    svg = draw(panels)
    try:
        if file.suffix.lower() == ".svg":
            file.write_text(svg, encoding="utf-8")
        else:
            import resvg_py

            file.write_bytes(bytes(resvg_py.svg_to_bytes(svg_string=svg)))
    except OSError as error:
        raise StorageError(
            f"{file} cannot be written: {error.strerror}", code="cannot-write", path=str(file)
        ) from error
