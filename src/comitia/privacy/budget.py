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

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType

from comitia.core.errors import ConfigurationError, RefusedError
from comitia.core.units import PICO
from comitia.privacy.accountant import Totals, cost_of
from comitia.privacy.gdp import largest_epsilon
from comitia.privacy.receipt import Receipt
from comitia.privacy.terms import MAX_EPSILON_MICRO, PrivacyTerms, Slots, Unit, in_units


class Span(StrEnum):
    """Over which releases a cap adds up."""

    SESSION = "session"
    PERIOD = "period"
    LIFE = "life"


class Window(StrEnum):
    """Where a period begins: `ROLLING` its length ago, `CALENDAR` at the last multiple of its length since
    1970, UTC."""

    ROLLING = "rolling"
    CALENDAR = "calendar"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cap:
    """The most epsilon that releases of one scope may add up to.

    Attributes
    ----------
    span : Span
        One session's releases, a period's, or all.
    epsilon_micro : int
        In millionths, 0 (nothing) .. 64 000 000, at the delta of the `Limits`.
    requester, category : str
        Only releases for this requester or category count and are held; "" is any. A cap on one requester
        does not protect from two who collude: a cap on all is needed besides.
    period_ms : int
        Length of the period, > 0; 0 for other spans.
    window : Window
        Where the period begins.

    Raises
    ------
    ConfigurationError
        `bad-cap`.
    """

    span: Span
    epsilon_micro: int
    requester: str = ""
    category: str = ""
    period_ms: int = 0
    window: Window = Window.ROLLING

    def __post_init__(self) -> None:
        if not 0 <= self.epsilon_micro <= MAX_EPSILON_MICRO:
            raise ConfigurationError(
                f"a cap on epsilon must lie in 0 .. 64, it is {in_units(self.epsilon_micro)}", code="bad-cap"
            )
        if (self.period_ms > 0) != (self.span == Span.PERIOD) or self.period_ms < 0:
            raise ConfigurationError("a period's cap needs a length above 0, no other cap has one", code="bad-cap")

    def __str__(self) -> str:
        scope = [f"for {self.requester}"] if self.requester else []
        scope += [f"on {self.category!r}"] if self.category else []
        length = f" of {in_units(self.period_ms, 1000)} s ({self.window})" if self.period_ms else ""
        return " ".join([f"epsilon {in_units(self.epsilon_micro)} per {self.span}{length}", *scope])


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a provider's owner allows.

    Attributes
    ----------
    delta_pico : int
        The delta at which Gaussian releases are added up, 1 .. 10^12 - 1.
    unit : Unit
        Of the guarantee. `Unit.USER` refuses releases per record; `Unit.RECORD` takes those per user as
        well, which protect a record at least as much.
    caps : tuple of Cap
        All must hold. One of them must be for life, any requester and any category.

    Raises
    ------
    ConfigurationError
        `bad-cap`.
    """

    delta_pico: int
    unit: Unit
    caps: tuple[Cap, ...]

    def __post_init__(self) -> None:
        if not 1 <= self.delta_pico < PICO:
            raise ConfigurationError("a budget's delta must be above 0 and below 1", code="bad-cap")
        if not any(cap.span == Span.LIFE and not (cap.requester or cap.category) for cap in self.caps):
            raise ConfigurationError(
                "a budget needs a cap for life on everything together",
                code="bad-cap",
                hint="without one, nothing bounds what all requesters learn together",
            )


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
    slots : Slots
        The document slots that it reads.
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
    slots: Slots = Slots.ALL
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

    def total(self, counts: Callable[[Entry], bool]) -> Totals:
        """Add up the entries for which `counts` holds and that have not been returned or reused."""
        alike = Counter(
            (entry.ask.epsilon_micro, entry.ask.delta_pico, entry.ask.slots)
            for entry in self.entries.values()
            if entry.standing not in (Standing.RETURNED, Standing.REUSED) and counts(entry)
        )
        totals = Totals()
        for (epsilon_micro, delta_pico, slots), times in alike.items():
            totals = totals.add(cost_of(epsilon_micro, delta_pico) * times, slots)
        return totals


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
        more than was reserved, another unit or slots, or is pure where a Gaussian release was reserved: what
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
        or (receipt.unit, receipt.slots) != (ask.unit, ask.slots)
        or receipt.terms.pure != (ask.delta_pico == 0)
    ):
        raise RefusedError(
            f"epsilon {in_units(ask.epsilon_micro)} was reserved per {ask.unit} on {ask.slots} slots, the "
            f"release took {in_units(receipt.epsilon_micro)} per {receipt.unit} on {receipt.slots} slots, "
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
        The largest epsilon of one more Gaussian release, on all slots, that the cap still allows.
    """

    cap: Cap
    spent_micro: int
    reserved_micro: int
    left_micro: int


def statement(book: Book, limits: Limits, now_ms: int) -> tuple[Line, ...]:
    """Return where each cap stands at a time; a session's cap stands untouched, as for a new session."""
    lines = []
    for cap in limits.caps:
        within = _scope(cap, b"", now_ms)
        counts = within if cap.span != Span.SESSION else (lambda entry: False)
        spent, reserved = _spent_and_reserved(book, counts)
        lines.append(
            Line(
                cap=cap,
                spent_micro=spent.epsilon_micro(limits.delta_pico),
                reserved_micro=reserved.epsilon_micro(limits.delta_pico),
                left_micro=_left(book.total(counts), cap, limits),
            )
        )
    return tuple(lines)


def usage(book: Book) -> dict[tuple[str, str], tuple[Totals, Totals]]:
    """Return what was spent and what is reserved over a life, by requester and category."""
    pairs = sorted({(entry.ask.requester, entry.ask.category) for entry in book.entries.values()})
    return {pair: _spent_and_reserved(book, _for_pair(pair)) for pair in pairs}


def _for_pair(pair: tuple[str, str]) -> Callable[[Entry], bool]:
    return lambda entry: (entry.ask.requester, entry.ask.category) == pair


def _spent_and_reserved(book: Book, counts: Callable[[Entry], bool]) -> tuple[Totals, Totals]:
    spent = book.total(lambda entry: counts(entry) and entry.standing != Standing.RESERVED)
    reserved = book.total(lambda entry: counts(entry) and entry.standing == Standing.RESERVED)
    return spent, reserved


def _scope(cap: Cap, session: bytes, now_ms: int) -> Callable[[Entry], bool]:
    """Return which entries a cap adds up. Entries dated in the future count: a clock set back frees
    nothing."""
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


def _hold(book: Book, limits: Limits, cap: Cap, ask: Ask) -> None:
    """Refuse if one more release would pass a cap."""
    counts = _scope(cap, ask.session, ask.judged_ms)
    before = book.total(counts)
    after = before.add(cost_of(ask.epsilon_micro, ask.delta_pico), ask.slots)
    if after.within(cap.epsilon_micro, limits.delta_pico):
        return
    spent, reserved = (part.epsilon_micro(limits.delta_pico) for part in _spent_and_reserved(book, counts))
    left = _left(before, cap, limits)
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


def _left(totals: Totals, cap: Cap, limits: Limits) -> int:
    """Return the largest epsilon of one more Gaussian release on all slots that a cap allows."""
    return min(
        largest_epsilon(total.room(cap.epsilon_micro, limits.delta_pico) - total.mu_squared, limits.delta_pico)
        for total in (totals.training, totals.hold_out)
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
