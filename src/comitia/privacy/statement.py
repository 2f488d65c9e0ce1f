"""Where each cap stands: what it adds up, and what it still allows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from comitia.privacy.accountant import Total
from comitia.privacy.book import Book, Entry, Standing
from comitia.privacy.gdp import largest_epsilon
from comitia.privacy.limits import Cap, Limits, Span, Window


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of a statement, epsilons in millionths at the limits' delta.

    Attributes
    ----------
    cap : Cap
        Which cap.
    spent_micro, reserved_micro : int
        Epsilon of what was spent or abandoned, and of what is reserved, each taken alone: Gaussian releases
        add up to less than the sum.
    left_micro : int
        The largest epsilon of one more Gaussian release that the cap still allows.
    """

    cap: Cap
    spent_micro: int
    reserved_micro: int
    left_micro: int


def statement(book: Book, limits: Limits, now_ms: int) -> tuple[Line, ...]:
    """Return where each cap stands at a time; a session's cap stands untouched, as for a new session."""
    lines = []
    for cap in limits.caps:
        within = counted_by(cap, b"", now_ms)
        counts = within if cap.span != Span.SESSION else (lambda entry: False)
        spent, reserved = spent_and_reserved(book, counts)
        lines.append(
            Line(
                cap=cap,
                spent_micro=spent.epsilon_micro(limits.delta_pico),
                reserved_micro=reserved.epsilon_micro(limits.delta_pico),
                left_micro=left_under(book.total(counts), cap, limits),
            )
        )
    return tuple(lines)


def usage(book: Book) -> dict[tuple[str, str], tuple[Total, Total]]:
    """Return what was spent and what is reserved over a life, by requester and category."""
    by_pair: dict[tuple[str, str], dict[bytes, Entry]] = {}
    for reservation, entry in book.entries.items():
        by_pair.setdefault((entry.ask.requester, entry.ask.category), {})[reservation] = entry
    return {pair: spent_and_reserved(Book(entries=by_pair[pair]), lambda _: True) for pair in sorted(by_pair)}


def spent_and_reserved(book: Book, counts: Callable[[Entry], bool]) -> tuple[Total, Total]:
    """Return the totals of what was spent or abandoned, and of what is reserved, among the entries that count."""
    spent = book.total(lambda entry: counts(entry) and entry.standing != Standing.RESERVED)
    reserved = book.total(lambda entry: counts(entry) and entry.standing == Standing.RESERVED)
    return spent, reserved


def counted_by(cap: Cap, session: bytes, now_ms: int) -> Callable[[Entry], bool]:
    """Return which entries a cap adds up. Entries dated in the future count: a clock set back frees nothing."""
    start = now_ms - now_ms % cap.period_ms if cap.window == Window.CALENDAR and cap.period_ms else None

    def counts(entry: Entry) -> bool:
        ask = entry.ask
        if cap.requester not in ("", ask.requester) or cap.category not in ("", ask.category):
            return False
        if cap.span == Span.SESSION:
            return ask.session == session
        if cap.span == Span.PERIOD:
            return ask.at_ms >= start if start is not None else ask.at_ms > now_ms - cap.period_ms
        return True

    return counts


def left_under(total: Total, cap: Cap, limits: Limits) -> int:
    """Return the largest epsilon of one more Gaussian release that a cap allows."""
    room = total.room(cap.epsilon_micro, limits.delta_pico) - total.mu_squared
    return largest_epsilon(room, limits.delta_pico)
