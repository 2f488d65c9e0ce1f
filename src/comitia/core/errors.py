"""One tree of errors. Each says what happened, to what, and what to do about it.

A class says whose fault an error is and which status a command ends with; `code` is stable and is
what programs should look at; `values` holds the facts the message was made from.
"""

from __future__ import annotations

from typing import ClassVar


class ComitiaError(Exception):
    """Anything that Comitia refuses or cannot do.

    Parameters
    ----------
    message : str
        What happened, to which input, in one or two sentences.
    code : str
        Stable kebab-case name, listed in ``docs/reference/errors.md``.
    hint : str
        What the reader can do about it; may be empty.
    **values
        The facts behind the message, for ``--format json``.
    """

    exit_status: ClassVar[int] = 1

    def __init__(self, message: str, *, code: str, hint: str = "", **values: object) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.hint = hint
        self.values = values

    def __reduce__(self) -> tuple[object, ...]:
        return _again, (type(self), self.message, self.code, self.hint, self.values)

    def as_dict(self) -> dict[str, object]:
        """The error as a machine reads it."""
        facts = {name: value.hex() if isinstance(value, bytes) else value for name, value in self.values.items()}
        return {"error": self.code, "message": self.message, "hint": self.hint, "values": facts}


def _again(kind: type[ComitiaError], message: str, code: str, hint: str, values: dict[str, object]) -> ComitiaError:
    """An error as another process raised it."""
    return kind(message, code=code, hint=hint, **values)


class LocalError(ComitiaError):
    """Something on this side: input, configuration, files, limits."""


class UsageError(LocalError):
    """The command line was not understood."""

    exit_status = 2


class InputError(LocalError):
    """The user's data, arguments or files are not usable."""

    exit_status = 3


class ConfigurationError(LocalError):
    """Configuration, keys, genesis or membership do not fit."""

    exit_status = 4


class RefusedError(LocalError):
    """Policy or privacy budget says no. Nothing was released."""

    exit_status = 5


class UnavailableError(LocalError):
    """A peer, port or network is not there at the moment."""

    exit_status = 6


class DamagedError(LocalError):
    """An artefact (model, codebook, proof, ledger file) is damaged or fails its verification."""

    exit_status = 8


class StorageError(LocalError):
    """This node's own storage failed: disk full, unreadable, inconsistent."""

    exit_status = 9


class RemoteError(ComitiaError):
    """Something that another party did."""


class AbortedError(RemoteError):
    """The session ended without a model."""

    exit_status = 7


class ProtocolError(RemoteError):
    """A message or transaction is malformed, forged, replayed or out of place."""

    exit_status = 10
