"""Files that are written whole or not at all."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Final

from comitia.core.errors import InputError

PARTIAL: Final = ".part"
"""How the name ends of a file that is being written."""


def write_whole(path: Path, data: bytes, *, durable: bool = True) -> None:
    """Put `data` in the place of a file. What was there stays if this fails.

    Parameters
    ----------
    durable : bool
        Whether a power cut after the return must find it there. If not, one soon after may find other bytes, or none,
        but the writer does not wait for the disk.

    Raises
    ------
    OSError
        It cannot be written; nothing is left beside it.
    """
    partial = path.with_name(path.name + PARTIAL)
    try:
        with partial.open("wb") as file:
            file.write(data)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        partial.replace(path)
    except OSError:
        partial.unlink(missing_ok=True)
        raise
    if durable:
        _make_name_durable(path.parent)


def require_place(path: Path, what: str) -> None:
    """Refuse a path at which no file could be made; `what` is to be written there, in words.

    Raises
    ------
    InputError
        `no-such-folder`.
    """
    folder = path.absolute().parent
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        raise InputError(
            f"no {what} can be written to {path}",
            code="no-such-folder",
            hint="name a file in a folder that exists and can be written to",
            path=str(path),
        )


def _make_name_durable(folder: Path) -> None:
    """Where a system writes the folder, which has the file's new name, later than the file."""
    if sys.platform == "win32":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
