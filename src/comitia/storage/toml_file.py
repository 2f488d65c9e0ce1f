"""Dataclasses as TOML that people read and edit: bytes as hexadecimal text, unknown keys refused by name."""

from __future__ import annotations

import tomllib
import types
import typing
from dataclasses import MISSING, fields, is_dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any, Final, TypeVar, cast

import tomlkit

from comitia.core.codec import MAX_INTEGER_BITS, to_plain
from comitia.core.errors import ConfigurationError
from comitia.storage.record_file import later_format
from comitia.storage.whole_file import write_whole

T = TypeVar("T")

_IN_WORDS: Final[dict[object, str]] = {
    int: "a whole number",
    str: "text",
    bool: "true or false",
    bytes: "hexadecimal text",
}

LARGEST: Final = 1 << 20
"""Most bytes of a TOML file."""

DEEPEST_KEY: Final = 64
"""Most dots in a key: the time that the standard library takes for one grows with the square of their number."""


def parse_toml(data: bytes) -> dict[str, Any]:
    """Read the bytes of a TOML file, in bounded time.

    Raises
    ------
    ValueError
        Saying why it is not TOML, or not TOML that is accepted.
    """
    if len(data) > LARGEST:
        raise ValueError(f"it has {len(data)} bytes, at most {LARGEST} are accepted")
    for number, line in enumerate(data.splitlines(), start=1):
        if line.partition(b"=")[0].count(b".") > DEEPEST_KEY:
            raise ValueError(f"the key in line {number} has more than {DEEPEST_KEY} dots")
    try:
        return tomllib.loads(data.decode("utf-8"))
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def write_toml(path: Path, value: object, *, comment: str) -> None:
    """Write a dataclass; `comment` stands in the first line."""
    document = tomlkit.document()
    document.add(tomlkit.comment(comment))
    for key, item in _readable(to_plain(value)).items():
        document.add(key, item)
    write_whole(path, tomlkit.dumps(document).encode())


def read_toml(path: Path, cls: type[T], *, name: str = "", newest: int | None = None) -> T:
    """Read a dataclass; fields with a default may be left out.

    Parameters
    ----------
    name : str
        What the file is, in words.
    newest : int or None
        The highest number of a format that can be read, for a file whose key `format` names its own; looked at before
        any other key.

    Raises
    ------
    ConfigurationError
        If the file is missing or not TOML, or a key is unknown, missing or of the wrong type; the message
        names file and key. `file-version`: a later version of Comitia made it.
    """
    try:
        values = parse_toml(path.read_bytes())
    except OSError as error:
        raise ConfigurationError(
            f"{path} cannot be read: {error.strerror}", code="file-missing", path=str(path)
        ) from error
    except ValueError as error:
        raise ConfigurationError(f"{path} is not TOML: {error}", code="not-toml", path=str(path)) from error
    found = values.get("format")
    if newest is not None and type(found) is int and found > newest:
        raise later_format(path, name, found, newest)
    return cast(T, _read(cls, values, str(path), ""))


def _readable(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, dict):
        return {key: _readable(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_readable(item) for item in value]
    return value


def _read(hint: Any, value: Any, file: str, key: str) -> object:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if isinstance(hint, typing.NewType):
        return _read(hint.__supertype__, value, file, key)
    if origin is tuple and isinstance(value, list):
        return tuple(_read(arguments[0], item, file, f"{key}[{index}]") for index, item in enumerate(value))
    if origin is types.UnionType:
        return _read(next(item for item in arguments if item is not type(None)), value, file, key)
    if is_dataclass(hint) and isinstance(value, dict):
        return _read_dataclass(cast(type, hint), value, file, key)
    try:
        if hint is bytes and isinstance(value, str):
            return bytes.fromhex(value)
        if isinstance(hint, type) and issubclass(hint, StrEnum) and isinstance(value, str):
            return hint(value)
    except ValueError as error:
        raise _wrong(file, key, str(error)) from error
    if hint is int and type(value) is int and value.bit_length() > MAX_INTEGER_BITS:
        raise _wrong(file, key, f"a number of more than {MAX_INTEGER_BITS} bits has no canonical form")
    if isinstance(hint, type) and type(value) is hint:
        return value
    raise _wrong(file, key, f"{_IN_WORDS.get(hint, 'a table')} was expected, not {value!r}")


def _read_dataclass(cls: type, values: dict[str, Any], file: str, key: str) -> object:
    hints = _hints(cls)
    prefix = f"{key}." if key else ""
    unknown = values.keys() - hints.keys()
    if unknown:
        name = min(unknown)
        raise ConfigurationError(
            f"{file}: {prefix}{name} is not a setting; known are {', '.join(sorted(hints))}",
            code="unknown-key",
            hint="mend the spelling, or remove it",
            path=file,
            key=prefix + name,
        )
    read = {name: _read(hints[name], item, file, prefix + name) for name, item in values.items()}
    required = [field.name for field in fields(cls) if field.default is MISSING is field.default_factory]
    missing = [name for name in required if name not in read]
    if missing:
        raise _wrong(file, prefix + missing[0], "it is missing")
    try:
        return cls(**read)
    except ValueError as error:
        raise _wrong(file, key, str(error)) from error


@cache
def _hints(cls: type) -> dict[str, Any]:
    return typing.get_type_hints(cls)


def _wrong(file: str, key: str, why: str) -> ConfigurationError:
    return ConfigurationError(
        f"{file}: {key}: {why}",
        code="bad-setting",
        hint="mend it in the file, or restore the file from a backup",
        path=file,
        key=key,
    )
