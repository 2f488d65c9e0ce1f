"""The budget's rules: never above a cap, whatever the order of events."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from comitia.core import codec
from comitia.core.errors import ConfigurationError, InputError, RefusedError
from comitia.core.units import MICRO, PICO
from comitia.privacy import budget
from comitia.privacy.book import Ask, Book, Movement, Standing
from comitia.privacy.limits import Cap, Limits, Span, Window
from comitia.privacy.mechanisms import gaussian, laplace
from comitia.privacy.noise import SeededNoise
from comitia.privacy.receipt import Receipt
from comitia.privacy.statement import statement, usage
from comitia.privacy.terms import MAX_EPSILON_MICRO, PrivacyTerms, Unit

DELTA = 10_000_000
DAY = 86_400_000
NOISE = SeededNoise(b"budget")
LIFE = Cap(span=Span.LIFE, epsilon_micro=4 * MICRO)


def limits(*caps: Cap, unit: Unit = Unit.RECORD) -> Limits:
    return Limits(delta_pico=DELTA, unit=unit, caps=caps or (LIFE,))


def ask(name: str, epsilon: float = 1, **changes: object) -> Ask:
    plain = Ask(
        reservation=name.encode(),
        session=name.encode(),
        requester="ann",
        category="pumps",
        epsilon_micro=int(epsilon * MICRO),
        delta_pico=DELTA,
        at_ms=0,
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


def reserved(*asks: Ask, under: Limits | None = None) -> Book:
    book = Book()
    for one in asks:
        book = budget.record(book, budget.reserve(book, under or limits(), one))
    return book


def receipt(epsilon: float = 1) -> Receipt:
    values = np.zeros(4, dtype=np.int64)
    terms = PrivacyTerms.of(epsilon, 1e-5)
    return gaussian(values, l2_sensitivity_squared=10**6, terms=terms, noise=NOISE).receipt


def refusal(book: Book, under: Limits, one: Ask) -> RefusedError:
    with pytest.raises(RefusedError) as caught:
        budget.reserve(book, under, one)
    return caught.value


def test_reserve_spend() -> None:
    paid = receipt()
    book = reserved(ask("a"))
    assert book.entries[b"a"].standing == Standing.RESERVED
    book = budget.record(book, budget.spend(book, b"a", paid))
    assert (book.entries[b"a"].standing, book.entries[b"a"].release) == (Standing.SPENT, paid.digest)


def test_only_what_was_spent_is_served_again() -> None:
    paid = receipt()
    book = reserved(ask("a"), ask("b"))
    book = budget.record(book, budget.spend(book, b"a", paid))
    assert budget.reuse(book, ask("c"), paid.digest)
    with pytest.raises(RefusedError) as caught:
        budget.reuse(book, ask("c"), bytes(32))
    assert caught.value.code == "never-spent"


def test_gaussian_releases_add_up_by_their_squares() -> None:
    """Eleven at epsilon 1 are 3.83 together, twelve 4.02."""
    book = reserved(*(ask(str(i)) for i in range(11)))
    error = refusal(book, limits(), ask("one more"))
    assert error.code == "over-budget"
    assert error.values["reserved_micro"] == pytest.approx(3.82 * MICRO, rel=0.01)
    assert error.values["spent_micro"] == 0


def test_a_refusal_names_cap_spent_reserved_asked_and_a_way_out() -> None:
    book = reserved(ask("a", 3), ask("b", 1))
    book = budget.record(book, budget.spend(book, b"a", receipt(3)))
    error = refusal(book, limits(), ask("c", 3))
    for part in ("epsilon 4 per life", "3 spent", "1 reserved", "3 asked", "altogether", "at delta 0.00001"):
        assert part in error.message
    left = error.values["left_micro"]
    assert isinstance(left, int)
    assert f"ask for epsilon {left / MICRO:g}"[:20] in error.hint
    assert budget.reserve(book, limits(), ask("c", epsilon_micro=left))
    refusal(book, limits(), ask("c", epsilon_micro=left + 2))


def test_what_is_left_of_an_untouched_cap_is_the_cap() -> None:
    (line,) = statement(Book(), limits(), 0)
    assert (line.spent_micro, line.reserved_micro, line.left_micro) == (0, 0, 4 * MICRO)


def test_nothing_is_left_of_a_cap_of_nothing() -> None:
    none = limits(replace(LIFE, epsilon_micro=0))
    assert statement(Book(), none, 0)[0].left_micro == 0
    assert "nothing is left" in refusal(Book(), none, ask("a", 0.000001)).hint


def test_pure_releases_add_to_the_gaussian_total() -> None:
    profile = ask("profile", 0.5, delta_pico=0)
    book = reserved(profile, ask("a", 2))
    assert "tenths" in refusal(book, limits(), ask("b", 1.5, delta_pico=0)).hint
    assert budget.reserve(book, limits(), ask("b", 0.3, delta_pico=0))
    (line,) = statement(book, limits(), 0)
    assert budget.reserve(book, limits(), ask("c", epsilon_micro=line.left_micro))
    refusal(book, limits(), ask("c", epsilon_micro=line.left_micro + 2))


def test_a_session_has_its_own_cap() -> None:
    under = limits(LIFE, Cap(span=Span.SESSION, epsilon_micro=MICRO))
    book = reserved(ask("a", session=b"s"), under=under)
    assert "per session" in refusal(book, under, ask("b", 0.5, session=b"s")).message
    assert budget.reserve(book, under, ask("b", 0.5, session=b"t"))


def test_a_rolling_period_frees_what_is_its_length_old() -> None:
    under = limits(LIFE, Cap(span=Span.PERIOD, epsilon_micro=MICRO, period_ms=DAY))
    book = reserved(ask("a", at_ms=DAY // 2), under=under)
    assert "wait for the period" in refusal(book, under, ask("b", at_ms=DAY + DAY // 2 - 1)).hint
    assert budget.reserve(book, under, ask("b", at_ms=DAY + DAY // 2))


def test_a_calendar_period_frees_at_its_end() -> None:
    cap = Cap(span=Span.PERIOD, epsilon_micro=MICRO, period_ms=DAY, window=Window.CALENDAR)
    book = reserved(ask("a", at_ms=DAY - 1), under=limits(LIFE, cap))
    refusal(book, limits(LIFE, cap), ask("b", at_ms=DAY - 1))
    assert budget.reserve(book, limits(LIFE, cap), ask("b", at_ms=DAY))


def test_a_clock_set_back_frees_nothing() -> None:
    for window in Window:
        cap = Cap(span=Span.PERIOD, epsilon_micro=MICRO, period_ms=DAY, window=window)
        book = reserved(ask("a", at_ms=10 * DAY), under=limits(LIFE, cap))
        refusal(book, limits(LIFE, cap), ask("b", at_ms=5 * DAY))


def test_of_two_clocks_that_differ_neither_frees_anything() -> None:
    under = limits(LIFE, Cap(span=Span.PERIOD, epsilon_micro=MICRO, period_ms=DAY))
    book = reserved(ask("a", at_ms=5 * DAY, earliest_ms=0), under=under)
    refusal(book, under, ask("b", at_ms=20 * DAY, earliest_ms=5 * DAY))
    refusal(book, under, ask("b", at_ms=6 * DAY - 1, earliest_ms=6 * DAY - 1))
    assert budget.reserve(book, under, ask("b", at_ms=6 * DAY, earliest_ms=6 * DAY))


def test_a_cap_can_hold_for_one_requester_or_category() -> None:
    under = limits(
        LIFE,
        Cap(span=Span.LIFE, epsilon_micro=MICRO, requester="ann"),
        Cap(span=Span.LIFE, epsilon_micro=2 * MICRO, category="valves"),
    )
    book = reserved(ask("a"), under=under)
    assert "for ann" in refusal(book, under, ask("b", 0.1)).message
    book = budget.record(book, budget.reserve(book, under, ask("b", 2, requester="bob", category="valves")))
    assert "'valves'" in refusal(book, under, ask("c", 0.1, requester="bob", category="valves")).message
    assert budget.reserve(book, under, ask("c", 0.1, requester="bob"))


def test_given_back_is_free_again() -> None:
    book = reserved(ask("a", 4))
    book = budget.record(book, budget.give_back(book, b"a"))
    assert budget.give_back(book, b"a") == ()
    assert budget.reserve(book, limits(), ask("b", 4))
    with pytest.raises(RefusedError):
        budget.spend(book, b"a", receipt(4))


def test_what_was_released_is_not_given_back() -> None:
    book = reserved(ask("a"))
    book = budget.record(book, budget.spend(book, b"a", receipt()))
    with pytest.raises(RefusedError) as caught:
        budget.give_back(book, b"a")
    assert caught.value.code == "not-reserved"


def test_what_a_crash_left_counts_as_spent() -> None:
    book = reserved(ask("a", 4))
    book = budget.record(book, budget.abandon(book))
    assert refusal(book, limits(), ask("b", 0.1)).values["spent_micro"] == 4 * MICRO
    for attempt in (lambda: budget.spend(book, b"a", receipt(4)), lambda: budget.give_back(book, b"a")):
        with pytest.raises(RefusedError):
            attempt()
    assert budget.abandon(book) == ()


def test_the_same_question_twice_is_one_movement() -> None:
    book = reserved(ask("a"))
    assert budget.reserve(book, limits(), ask("a")) == ()
    paid = receipt()
    book = budget.record(book, budget.spend(book, b"a", paid))
    assert budget.spend(book, b"a", paid) == ()


def test_a_reservation_pays_for_one_release() -> None:
    book = reserved(ask("a"))
    book = budget.record(book, budget.spend(book, b"a", receipt()))
    with pytest.raises(RefusedError):
        budget.spend(book, b"a", receipt())
    assert refusal(book, limits(), ask("a")).code == "reservation-taken"
    assert refusal(reserved(ask("b")), limits(), ask("b", 0.5)).code == "reservation-taken"


@pytest.mark.parametrize(
    "paid",
    [
        receipt(1.5),
        replace(receipt(), unit=Unit.USER),
        replace(receipt(), delta_pico=DELTA + 1),
        replace(receipt(), delta_pico=0),
    ],
)
def test_a_release_costs_no_more_than_was_reserved(paid: Receipt) -> None:
    with pytest.raises(RefusedError) as caught:
        budget.spend(reserved(ask("a")), b"a", paid)
    assert caught.value.code == "over-reservation"


def test_nothing_is_spent_without_a_reservation() -> None:
    with pytest.raises(RefusedError) as caught:
        budget.spend(Book(), b"a", receipt())
    assert caught.value.code == "not-reserved"


def test_the_same_bytes_again_cost_nothing() -> None:
    paid = receipt(4)
    book = reserved(ask("a", 4))
    with pytest.raises(RefusedError) as caught:
        budget.reuse(book, ask("b", 4), paid.digest)
    assert caught.value.code == "never-spent"
    book = budget.record(book, budget.spend(book, b"a", paid))
    book = budget.record(book, budget.reuse(book, ask("b", 4), paid.digest))
    assert budget.reuse(book, ask("b", 4), paid.digest) == ()
    assert statement(book, limits(), 0)[0].spent_micro == 4 * MICRO
    assert book.entries[b"b"].standing == Standing.REUSED


def test_users_are_not_protected_by_releases_per_record() -> None:
    assert refusal(Book(), limits(unit=Unit.USER), ask("a")).code == "wrong-unit"
    assert budget.reserve(Book(), limits(), ask("a", unit=Unit.USER))


def test_usage_by_requester_and_category() -> None:
    book = reserved(ask("a"), ask("b", requester="bob"), ask("c", category="valves"))
    book = budget.record(book, budget.spend(book, b"a", receipt()))
    used = usage(book)
    assert list(used) == [("ann", "pumps"), ("ann", "valves"), ("bob", "pumps")]
    spent, held = used["ann", "pumps"]
    assert (spent.epsilon_micro(DELTA), held.epsilon_micro(DELTA)) == (MICRO, 0)


def test_a_statement_has_a_line_for_each_cap() -> None:
    under = limits(
        LIFE,
        Cap(span=Span.SESSION, epsilon_micro=MICRO),
        Cap(span=Span.PERIOD, epsilon_micro=2 * MICRO, period_ms=DAY),
    )
    book = reserved(ask("a"), under=under)
    life, session, period = statement(book, under, DAY * 3)
    assert (life.reserved_micro, session.left_micro, period.left_micro) == (MICRO, MICRO, 2 * MICRO)
    assert MICRO < life.left_micro < 4 * MICRO


@pytest.mark.parametrize("bad", [{"epsilon_micro": 0}, {"epsilon_micro": -1}, {"delta_pico": 10**12}])
def test_figures_out_of_range_are_the_askers_fault(bad: dict[str, object]) -> None:
    with pytest.raises(InputError):
        budget.reserve(Book(), limits(), ask("a", **bad))  # type: ignore[arg-type]


def test_limits_bound_everything_together() -> None:
    for make in (
        lambda: limits(Cap(span=Span.LIFE, epsilon_micro=MICRO, requester="ann")),
        lambda: Limits(delta_pico=0, unit=Unit.RECORD, caps=(LIFE,)),
        lambda: Limits(delta_pico=PICO, unit=Unit.RECORD, caps=(LIFE,)),
        lambda: Cap(span=Span.LIFE, epsilon_micro=MAX_EPSILON_MICRO + 1),
        lambda: Cap(span=Span.PERIOD, epsilon_micro=MICRO),
        lambda: Cap(span=Span.LIFE, epsilon_micro=MICRO, period_ms=DAY),
        lambda: Cap(span=Span.LIFE, epsilon_micro=-1),
    ):
        with pytest.raises(ConfigurationError) as caught:
            make()
        assert caught.value.code == "bad-cap"


def test_limits_at_their_own_limits() -> None:
    for delta_pico in (1, PICO - 1):
        Limits(delta_pico=delta_pico, unit=Unit.RECORD, caps=(replace(LIFE, epsilon_micro=MAX_EPSILON_MICRO),))
    assert Cap(span=Span.PERIOD, epsilon_micro=0, period_ms=1).period_ms == 1


def test_a_damaged_record_is_noticed() -> None:
    book = reserved(ask("a"))
    for movement in (
        Movement(reservation=b"a", standing=Standing.RESERVED, ask=ask("a")),
        Movement(reservation=b"b", standing=Standing.RESERVED),
        Movement(reservation=b"b", standing=Standing.RESERVED, ask=ask("c")),
        Movement(reservation=b"b", standing=Standing.SPENT),
    ):
        with pytest.raises(ValueError, match="reservation"):
            budget.record(book, (movement,))


def test_movements_and_limits_have_canonical_bytes() -> None:
    (movement,) = budget.reserve(Book(), limits(), ask("a"))
    assert codec.decode(Movement, codec.encode(movement)) == movement
    assert codec.decode(Limits, codec.encode(limits())) == limits()


EPSILONS = st.sampled_from([0.25, 0.5, 1, 2])
STEPS = st.tuples(st.sampled_from(["reserve", "spend", "give back", "crash"]), st.integers(0, 5), EPSILONS)


@given(st.lists(STEPS, max_size=25))
def test_no_order_of_events_passes_a_cap_or_loses_a_debit(steps: list[tuple[str, int, float]]) -> None:
    """I8: spent never falls, never passes the cap."""
    book, under, before = Book(), limits(), 0
    for step, number, epsilon in steps:
        name = str(number)
        try:
            if step == "reserve":
                one = ask(name, epsilon, delta_pico=0 if number % 2 else DELTA)
                book = budget.record(book, budget.reserve(book, under, one))
            elif step == "spend":
                values = np.zeros(1, dtype=np.int64)
                known = book.entries.get(name.encode())
                paid = laplace(values, l1_sensitivity=2, terms=PrivacyTerms.of(0.25), noise=NOISE).receipt
                if known and known.ask.delta_pico:
                    paid = receipt(0.25)
                book = budget.record(book, budget.spend(book, name.encode(), paid))
            elif step == "give back":
                book = budget.record(book, budget.give_back(book, name.encode()))
            else:
                book = budget.record(book, budget.abandon(book))
        except RefusedError:
            continue
        spent = book.total(lambda entry: entry.standing != Standing.RESERVED).epsilon_micro(DELTA)
        assert spent >= before
        assert book.total(lambda entry: True).epsilon_micro(DELTA) <= 4 * MICRO
        before = spent
