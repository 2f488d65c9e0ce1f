"""Numbers of things in messages: one set, two sets."""

from __future__ import annotations


def counted(number: int, one: str, many: str = "") -> str:
    """A number with the word for so many: ``1 set``, ``2 sets``.

    Parameters
    ----------
    number : int
    one : str
        The word for one.
    many : str
        The word for any other number; by default `one` with an s.
    """
    return f"{number} {one if number == 1 else many or one + 's'}"
