"""One guarantee shared out: what the parts add up to never passes it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from comitia.core.errors import InputError
from comitia.privacy.accountant import cost_of
from comitia.privacy.gdp import mu_from
from comitia.privacy.shares import shared_out
from comitia.privacy.terms import PrivacyTerms


@settings(max_examples=25)
@given(st.integers(100_000, 8_000_000), st.integers(1, 12))
def test_the_parts_compose_to_the_whole_and_waste_next_to_nothing(epsilon_micro: int, releases: int) -> None:
    terms = PrivacyTerms(epsilon_micro=epsilon_micro, delta_pico=10**7)
    each = shared_out(terms, releases)
    whole = mu_from(epsilon_micro, 10**7) ** 2
    parts = cost_of(each.epsilon_micro, each.delta_pico) * releases
    assert whole * 0.999 < parts.mu_squared <= whole


def test_pure_guarantees_divide() -> None:
    assert shared_out(PrivacyTerms.of("1"), 3).epsilon_micro == 333_333


def test_one_release_takes_all() -> None:
    terms = PrivacyTerms.of("1", "1e-5")
    assert shared_out(terms, 1) is terms


@pytest.mark.parametrize("delta_pico", [0, 10**7])
def test_too_little_for_so_many_is_refused(delta_pico: int) -> None:
    with pytest.raises(InputError) as caught:
        shared_out(PrivacyTerms(epsilon_micro=2, delta_pico=delta_pico), 3)
    assert caught.value.code == "bad-epsilon"
    assert delta_pico == 0 or "too little for 3 releases" in caught.value.message
