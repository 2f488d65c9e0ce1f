"""Public bytes that can be had again, codebooks and models: a file each, named by its digest.

They lie beside the node's database and not in it: they are most of what a node keeps, so most damage to a disk hits
them, and costs one file then. The folder is its own index: what is there is known without reading any of it, and
a file is checked whenever it is read.
"""

from __future__ import annotations

import errno
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from comitia.core.codec import digest
from comitia.core.errors import StorageError
from comitia.storage.whole_file import PARTIAL, write_whole

log = logging.getLogger("comitia.store")

_ENDING: Final = ".artefact"
_NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class ArtefactFolder:
    """A folder of artefacts; made with the first one. One process writes, others may read.

    Parameters
    ----------
    path : Path

    Raises
    ------
    StorageError
        From any method: `disk-full`, `node-storage`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def keep(self, name: bytes, value: bytes) -> None:
        """Keep bytes under their digest, unless they are here and whole; a power cut may take the last ones."""
        if self.read(name) is not None:
            return
        try:
            self.path.mkdir(exist_ok=True)
            write_whole(self._file(name), value, durable=False)
        except OSError as error:
            raise self._trouble(error) from error

    def read(self, name: bytes) -> bytes | None:
        """The bytes with this digest; None if they are not here. Damaged ones are dropped, and it is said."""
        value = self._bytes_of(name)
        if value is None or digest(value) == name:
            return value
        log.warning("%s is damaged; it is dropped, and made or fetched again when it is needed", self._file(name))
        self.drop(name)
        return None

    def has(self, name: bytes) -> bool:
        """Whether there is a file for this digest, whole or not."""
        return self._file(name).exists()

    def sizes(self) -> dict[bytes, int]:
        """Bytes of each artefact, by its digest; none of them is read."""
        try:
            return dict(self._listed())
        except OSError as error:
            raise self._trouble(error) from error

    def damaged(self) -> list[bytes]:
        """Digests of the artefacts that are not as they were written. All are read, none is dropped."""
        return [name for name in self.sizes() if (value := self._bytes_of(name)) is not None and digest(value) != name]

    def drop(self, name: bytes) -> None:
        """Delete an artefact, if it is here."""
        try:
            self._file(name).unlink(missing_ok=True)
        except OSError as error:
            raise self._trouble(error) from error

    def drop_partial(self) -> None:
        """Delete what a crash left half written; for the process that writes."""
        for file in self.path.glob(f"*{PARTIAL}"):
            try:
                file.unlink(missing_ok=True)
            except OSError as error:
                raise self._trouble(error) from error

    def _file(self, name: bytes) -> Path:
        return self.path / f"{name.hex()}{_ENDING}"

    def _bytes_of(self, name: bytes) -> bytes | None:
        """What is in the file; None if there is none, no bytes where the disk cannot read them any more."""
        try:
            return self._file(name).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            if error.errno == errno.EIO:
                return b""
            raise self._trouble(error) from error

    def _listed(self) -> Iterator[tuple[bytes, int]]:
        for file in self.path.glob(f"*{_ENDING}"):
            try:
                name = bytes.fromhex(file.stem)
            except ValueError:  # none of ours
                continue
            yield name, file.stat().st_size

    def _trouble(self, error: OSError) -> StorageError:
        if error.errno in _NO_ROOM:
            return StorageError(
                f"the disk of {self.path} is full; nothing was changed",
                code="disk-full",
                hint="free some space, then start the node again",
                path=str(self.path),
            )
        return StorageError(
            f"{self.path} cannot be read or written: {error.strerror}",
            code="node-storage",
            hint="check the disk, the folder and its permissions",
            path=str(self.path),
        )
