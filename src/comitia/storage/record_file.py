"""Small files that hold one value: a join request, a membership, the proof of a fork, a run to go on with.

Each says what it is and in which format, so that what a later version wrote is told from damage. Files from before
formats were numbered hold the bare value, and count as format 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Generic, TypeVar

from comitia.core.codec import decode, encode
from comitia.core.errors import ConfigurationError, ProtocolError
from comitia.storage.whole_file import write_whole

FILE_LIMIT: Final = 1 << 20
_MAKER: Final = "comitia"

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Framed:
    """What the file holds: ``comitia NAME NUMBER``, and the value's canonical bytes."""

    format: str
    content: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordKind(Generic[T]):
    """A kind of file.

    cls : of the value, a dataclass.
    name : what it is, in words.
    format : the number of the format that is written; earlier ones are read.
    again : how to have such a file again, for who has a damaged one.
    """

    cls: type[T]
    name: str
    format: int
    again: str

    def write(self, path: Path, value: T) -> None:
        """Write a value; errors as `write_whole`."""
        framed = _Framed(format=f"{_MAKER} {self.name} {self.format}", content=encode(value))
        write_whole(path, encode(framed))

    def read(self, path: Path) -> T:
        """Read what `write` wrote.

        Raises
        ------
        ConfigurationError
            `file-missing`; `file-version`: a later version of Comitia made it; `wrong-file`: it is of another kind;
            `file-damaged`: it is of none.
        """
        try:
            data = path.read_bytes()
        except OSError as error:
            raise ConfigurationError(
                f"{path} cannot be read: {error.strerror}", code="file-missing", path=str(path)
            ) from error
        try:
            return decode(self.cls, self._content(path, data), limit=FILE_LIMIT)
        except ProtocolError as error:
            raise ConfigurationError(
                f"{path} is damaged, or no {self.name}",
                code="file-damaged",
                hint=self.again,
                path=str(path),
                reason=error.message,
            ) from error

    def _content(self, path: Path, data: bytes) -> bytes:
        try:
            framed = decode(_Framed, data, limit=FILE_LIMIT)
        except ProtocolError:
            return data
        maker, _, rest = framed.format.partition(" ")
        name, _, number = rest.rpartition(" ")
        if maker != _MAKER or not number.isdecimal():
            return data
        if name != self.name:
            raise ConfigurationError(
                f"{path} is no {self.name} but: {name}", code="wrong-file", hint="give the other file", path=str(path)
            )
        if int(number) > self.format:
            raise later_format(path, self.name, int(number), self.format)
        return framed.content


def later_format(path: Path, name: str, found: int, newest: int) -> ConfigurationError:
    """The error for a file that a later version of Comitia has made."""
    return ConfigurationError(
        f"{path} is a {name} of format {found}, this version of Comitia reads up to format {newest}",
        code="file-version",
        hint="a newer Comitia made it: upgrade this one",
        path=str(path),
        found=found,
        newest=newest,
    )
