"""The book of a budget: what was asked for, and where each reservation stands. The rules are in `privacy.budget`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from comitia.privacy.accountant import Total, cost_of
from comitia.privacy.terms import Unit


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One release that is wanted.

    Attributes
    ----------
    reservation : bytes
        Name of the reservation, unique for each release, chosen by the caller.
    session : bytes
        The session it is for; b"" outside sessions.
    requester, category : str
        For whom and on what.
    epsilon_micro, delta_pico : int
        What the release will cost at most; see `PrivacyTerms`.
    unit : Unit
        Of the release's guarantee.
    at_ms : int
        When it was asked, ms since 1970, UTC; by the latest clock where several tell. A period's cap counts it
        from then on.
    earliest_ms : int or None
        The same by the earliest clock: a period's cap on this release adds up what was asked since its length
        before. None is `at_ms`.
    """

    reservation: bytes
    session: bytes
    requester: str
    category: str
    epsilon_micro: int
    delta_pico: int
    unit: Unit = Unit.RECORD
    at_ms: int
    earliest_ms: int | None = None

    @property
    def judged_ms(self) -> int:
        """The time at which the most of what was asked before counts."""
        return self.at_ms if self.earliest_ms is None else min(self.at_ms, self.earliest_ms)


class Standing(StrEnum):
    """Where a reservation stands; see the module's diagram."""

    RESERVED = "reserved"
    SPENT = "spent"
    RETURNED = "returned"
    ABANDONED = "abandoned"
    REUSED = "reused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Movement:
    """One change of the book.

    Attributes
    ----------
    reservation : bytes
        Whose.
    standing : Standing
        The new one.
    ask : Ask or None
        With `Standing.RESERVED` and `Standing.REUSED`, which open an entry.
    release : bytes
        With `Standing.SPENT` and `Standing.REUSED`: the receipt's digest, 32 bytes; else b"".
    """

    reservation: bytes
    standing: Standing
    ask: Ask | None = None
    release: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One reservation.

    Attributes
    ----------
    ask : Ask
        What was asked.
    standing : Standing
        Where it stands.
    release : bytes
        Digest of what was released, b"" before.
    """

    ask: Ask
    standing: Standing
    release: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Book:
    """All reservations of one provider.

    Attributes
    ----------
    entries : mapping of bytes to Entry
        By reservation, in the order in which they were made.
    """

    entries: Mapping[bytes, Entry] = field(default_factory=lambda: MappingProxyType({}))

    def total(self, counts: Callable[[Entry], bool]) -> Total:
        """Add up the entries for which `counts` holds and that have not been returned or reused."""
        alike = Counter(
            (entry.ask.epsilon_micro, entry.ask.delta_pico)
            for entry in self.entries.values()
            if entry.standing not in (Standing.RETURNED, Standing.REUSED) and counts(entry)
        )
        total = Total()
        for (epsilon_micro, delta_pico), times in alike.items():
            total += cost_of(epsilon_micro, delta_pico) * times
        return total
