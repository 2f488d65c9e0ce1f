"""A document as its owner holds it. Documents live in memory only and are never sent."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One text with what its owner knows about it.

    Attributes
    ----------
    text : str
        The text itself; may be empty.
    label : str or None
        The category it belongs to, None where nobody has said.
    user : str or None
        Who wrote it or whom it is about, for privacy by user; None where that is unknown.
    provider : str or None
        Which organisation holds it, where one file carries several providers' documents.
    """

    text: str
    label: str | None = None
    user: str | None = None
    provider: str | None = None
