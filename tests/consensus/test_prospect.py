"""How often noise alone leaves a session without a model: what is foretold is what the rules do."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from comitia.consensus.prospect import HALF_TRUE, RARE, chance_of_no_model, enough_epsilon
from comitia.consensus.quality import judge
from comitia.consensus.rules import QualityRules
from comitia.consensus.score_sheet import Score
from comitia.core.ids import NodeId
from comitia.privacy.gdp import mu_from
from comitia.privacy.terms import PrivacyTerms

AUTHORS = [NodeId(name * 32) for name in "abcd"]
JUDGE = NodeId("9" * 32)
SESSIONS = 4_000


def share_without_a_model(expected: Sequence[float], *, accept_unverified: bool, rho: float) -> float:
    """Of sessions judged by the rules, on drawn signals."""
    draw = np.random.Generator(np.random.PCG64(7))
    rules = QualityRules(quorum=1, accept_unverified=accept_unverified)
    authors = AUTHORS[: len(expected)]
    without = 0
    for _ in range(SESSIONS):
        signals = rho * np.array(expected) + draw.standard_normal(len(expected))
        sheet = [
            Score(author=author, received=True, signal_micro=int(z * 1e6), expected_micro=int(e * 1e6))
            for author, z, e in zip(authors, signals, expected, strict=True)
        ]
        found = judge({JUDGE: sheet}, dict.fromkeys(authors, 100), rules, bytes(32), frozenset({JUDGE}))
        without += not found.accepted
    return without / SESSIONS


@pytest.mark.parametrize("expected", [(1.0,), (0.4, 1.2), (0.5, 0.5, 0.5), (3.5, 0.2, 1.0), (4.0, 3.0, 0.1, 0.1)])
@pytest.mark.parametrize("rho", [0.0, 0.5])
def test_where_unverified_work_is_accepted_the_chance_is_what_is_foretold(
    expected: tuple[float, ...], rho: float
) -> None:
    foretold = chance_of_no_model(expected, accept_unverified=True, rho=rho)
    spread = (foretold * (1 - foretold) / SESSIONS) ** 0.5
    assert share_without_a_model(expected, accept_unverified=True, rho=rho) == pytest.approx(foretold, abs=5 * spread)


@pytest.mark.parametrize("expected", [(4.0, 4.0, 4.0), (5.0, 5.0), (3.0,), (2.9, 2.9), (9.0, 4.0, 1.0)])
def test_elsewhere_it_is_no_less_than_foretold_and_hardly_more(expected: tuple[float, ...]) -> None:
    foretold = chance_of_no_model(expected, accept_unverified=False)
    found = share_without_a_model(expected, accept_unverified=False, rho=HALF_TRUE)
    spread = (foretold * (1 - foretold) / SESSIONS) ** 0.5
    assert foretold - 5 * spread <= found <= foretold + 5 * spread + 0.01


@given(
    st.lists(st.floats(0, 20), min_size=1, max_size=6),
    st.integers(10_000, 8_000_000),
    st.sampled_from([0, 10**7]),
    st.booleans(),
)
def test_what_is_enough_is_the_first_step_that_is(
    expected: list[float], epsilon_micro: int, delta_pico: int, accepting: bool
) -> None:
    terms = PrivacyTerms(epsilon_micro=epsilon_micro, delta_pico=delta_pico)

    def chance(micro: int) -> float:
        clearer = micro / epsilon_micro
        if delta_pico:
            clearer = mu_from(micro, delta_pico) / mu_from(epsilon_micro, delta_pico)
        return chance_of_no_model([clearer * each for each in expected], accept_unverified=accepting)

    steps = [digit * 10**power for power in range(4, 8) for digit in range(1, 10)]
    steps = [step for step in steps if epsilon_micro < step <= 64_000_000]
    first = next((step for step in steps if chance(step) < RARE), None)
    assert enough_epsilon(expected, terms, accept_unverified=accepting) == (None if first is None else first / 1e6)


def test_nothing_to_expect_promises_nothing() -> None:
    terms = PrivacyTerms.of("0.5", "1e-5")
    for expected in ([], [0.0, 0.0]):
        assert enough_epsilon(expected, terms, accept_unverified=True) is None
        assert enough_epsilon(expected, terms, accept_unverified=False) is None
