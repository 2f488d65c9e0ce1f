"""The rules of a provider's privacy budget: reserve, then spend or give back; never above a cap.

The budget is a `Book` of reservations, changed by `Movement`s. `reserve`, `spend`, `give_back`, `reuse` and
`abandon` decide which movements are due, or refuse; `record` enters them. Whoever keeps the book makes each
movement durable before acting on it (`comitia.storage.budget`). A decision asked for twice is due once:
asking again returns no movement.

              reserve            spend
    (nothing) -------> RESERVED -------> SPENT         counts from `reserve` on
                          |  give_back
                          +------------> RETURNED      counts no more
                          |  abandon
                          +------------> ABANDONED     counts for ever: a crash left unknown what was released
    (nothing) -------> REUSED                          never counts: the very bytes were spent on before
              reuse
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from types import MappingProxyType

from comitia.core.errors import RefusedError
from comitia.core.units import PICO
from comitia.privacy.accountant import cost_of
from comitia.privacy.book import Ask, Book, Entry, Movement, Standing
from comitia.privacy.limits import Cap, Limits, Span
from comitia.privacy.receipt import Receipt
from comitia.privacy.statement import counted_by, left_under, spent_and_reserved
from comitia.privacy.terms import PrivacyTerms, Unit, in_units


def reserve(book: Book, limits: Limits, ask: Ask) -> tuple[Movement, ...]:
    """Set budget aside for one release, before anything is trained.

    Raises
    ------
    InputError
        The figures asked for are out of range.
    RefusedError
        `over-budget`: a cap would be passed; `wrong-unit`; `reservation-taken`: the name stands for another
        ask.
    """
    PrivacyTerms(epsilon_micro=ask.epsilon_micro, delta_pico=ask.delta_pico)
    if _is_repeat(book, ask, Standing.RESERVED):
        return ()
    if limits.unit == Unit.USER and ask.unit != Unit.USER:
        raise RefusedError(
            "this provider protects users, the release asked for protects single records only",
            code="wrong-unit",
            hint="ask with unit 'user'",
        )
    for cap in limits.caps:
        if cap.requester in ("", ask.requester) and cap.category in ("", ask.category):
            _hold(book, limits, cap, ask)
    return (Movement(reservation=ask.reservation, standing=Standing.RESERVED, ask=ask),)


def spend(book: Book, reservation: bytes, receipt: Receipt) -> tuple[Movement, ...]:
    """Turn a reservation into a debit, before the release leaves the node.

    Raises
    ------
    RefusedError
        `not-reserved`: there is no open reservation of this name; `over-reservation`: the receipt claims
        more than was reserved, another unit, or is pure where a Gaussian release was reserved: what
        is pure at an epsilon is not Gaussian private at the mu of that epsilon and a delta, which was priced.
    """
    entry = _entry(book, reservation)
    if entry.standing == Standing.SPENT and entry.release == receipt.digest:
        return ()
    _must_be_open(entry)
    ask = entry.ask
    if (
        receipt.epsilon_micro > ask.epsilon_micro
        or receipt.delta_pico > ask.delta_pico
        or receipt.unit != ask.unit
        or receipt.terms.pure != (ask.delta_pico == 0)
    ):
        raise RefusedError(
            f"epsilon {in_units(ask.epsilon_micro)} was reserved per {ask.unit}, the "
            f"release took {in_units(receipt.epsilon_micro)} per {receipt.unit}, "
            f"delta {in_units(ask.delta_pico, PICO)} and {in_units(receipt.delta_pico, PICO)}",
            code="over-reservation",
        )
    return (Movement(reservation=reservation, standing=Standing.SPENT, release=receipt.digest),)


def give_back(book: Book, reservation: bytes) -> tuple[Movement, ...]:
    """Return a reservation under which nothing was released.

    Raises
    ------
    RefusedError
        `not-reserved`: unknown, spent, or left by a crash.
    """
    entry = _entry(book, reservation)
    if entry.standing == Standing.RETURNED:
        return ()
    _must_be_open(entry)
    return (Movement(reservation=reservation, standing=Standing.RETURNED),)


def reuse(book: Book, ask: Ask, release: bytes) -> tuple[Movement, ...]:
    """Enter that a release already paid for is served again, at no cost.

    Parameters
    ----------
    release : bytes
        Digest of the receipt of exactly the bytes that are served.

    Raises
    ------
    RefusedError
        `never-spent`: nothing with this digest was paid for; `reservation-taken`.
    """
    if _is_repeat(book, ask, Standing.REUSED):
        return ()
    if not any(e.standing == Standing.SPENT and e.release == release for e in book.entries.values()):
        raise RefusedError(
            f"no release {release.hex()[:16]} was paid for, so none can be served again",
            code="never-spent",
            hint="reserve budget and make a fresh release",
        )
    return (Movement(reservation=ask.reservation, standing=Standing.REUSED, ask=ask, release=release),)


def abandon(book: Book) -> tuple[Movement, ...]:
    """Close what a crash left open: it counts as spent, and nothing can be released under it any more."""
    return tuple(
        Movement(reservation=reservation, standing=Standing.ABANDONED)
        for reservation, entry in book.entries.items()
        if entry.standing == Standing.RESERVED
    )


def record(book: Book, movements: Iterable[Movement]) -> Book:
    """Enter movements, whatever the limits were when they were decided.

    Raises
    ------
    ValueError
        No decision leads to one of these movements on this book: the record of movements is damaged.
    """
    entries = dict(book.entries)
    for movement in movements:
        entries[movement.reservation] = _moved(entries.get(movement.reservation), movement)
    return Book(entries=MappingProxyType(entries))


def _moved(known: Entry | None, movement: Movement) -> Entry:
    """Return the entry that a movement makes of the one known by its name."""
    if movement.standing in (Standing.RESERVED, Standing.REUSED):
        if known is not None or movement.ask is None or movement.ask.reservation != movement.reservation:
            raise ValueError(f"reservation {movement.reservation.hex()} is opened twice or without its ask")
        return Entry(ask=movement.ask, standing=movement.standing, release=movement.release)
    if known is None or known.standing != Standing.RESERVED:
        raise ValueError(f"reservation {movement.reservation.hex()} is {movement.standing} but was not open")
    return replace(known, standing=movement.standing, release=movement.release)


def _hold(book: Book, limits: Limits, cap: Cap, ask: Ask) -> None:
    """Refuse if one more release would pass a cap."""
    counts = counted_by(cap, ask.session, ask.judged_ms)
    before = book.total(counts)
    after = before + cost_of(ask.epsilon_micro, ask.delta_pico)
    if after.within(cap.epsilon_micro, limits.delta_pico):
        return
    spent, reserved = (part.epsilon_micro(limits.delta_pico) for part in spent_and_reserved(book, counts))
    left = left_under(before, cap, limits)
    raise RefusedError(
        f"the release asked for would pass the cap of {cap}: {in_units(spent)} spent, "
        f"{in_units(reserved)} reserved, {in_units(ask.epsilon_micro)} asked, "
        f"{in_units(after.epsilon_micro(limits.delta_pico))} altogether "
        f"at delta {in_units(limits.delta_pico, PICO)}",
        code="over-budget",
        hint=(f"ask for epsilon {in_units(left)} at most" if left else "nothing is left under this cap")
        + ("; where both kinds are released, pure ones count in tenths of the cap" if after.mixed else "")
        + (", wait for the period to pass" if cap.span == Span.PERIOD else "")
        + ", or have the provider's owner raise the cap",
        cap=str(cap),
        spent_micro=spent,
        reserved_micro=reserved,
        asked_micro=ask.epsilon_micro,
        left_micro=left,
    )


def _is_repeat(book: Book, ask: Ask, standing: Standing) -> bool:
    """Whether the very same ask stands open already; refuse if its name is taken otherwise."""
    known = book.entries.get(ask.reservation)
    if known is None:
        return False
    if known.standing == standing and known.ask == ask:
        return True
    raise RefusedError(
        f"reservation {ask.reservation.hex()[:16]} is {known.standing} already",
        code="reservation-taken",
        hint="every release needs a reservation of its own",
    )


def _entry(book: Book, reservation: bytes) -> Entry:
    try:
        return book.entries[reservation]
    except KeyError:
        raise RefusedError(
            f"no budget is reserved under {reservation.hex()[:16]}", code="not-reserved", hint="reserve first"
        ) from None


def _must_be_open(entry: Entry) -> None:
    if entry.standing != Standing.RESERVED:
        raise RefusedError(
            f"reservation {entry.ask.reservation.hex()[:16]} is {entry.standing}, no longer open",
            code="not-reserved",
            hint="make a new reservation",
        )
