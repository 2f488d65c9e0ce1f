"""What can be promised."""

from __future__ import annotations

import pytest

from comitia.core import codec
from comitia.core.errors import InputError
from comitia.core.units import PICO
from comitia.privacy.terms import PrivacyTerms, Unit, in_units


def test_figures_as_people_write_them() -> None:
    terms = PrivacyTerms.of(1.5, "1e-5")
    assert (terms.epsilon_micro, terms.delta_pico) == (1_500_000, 10_000_000)
    assert PrivacyTerms.of("0.1").epsilon_micro == 100_000
    assert PrivacyTerms.of(0.1 + 0.2).epsilon_micro == 300_000


@pytest.mark.parametrize("epsilon", [0, -1, -1e-9, 1e-9, 65, "nan", float("nan"), float("inf"), "one", "1e400", 1e300])
def test_bad_epsilons(epsilon: float | str) -> None:
    with pytest.raises(InputError) as caught:
        PrivacyTerms.of(epsilon)
    assert caught.value.code == "bad-epsilon"


@pytest.mark.parametrize("delta", [1, 1.5, -1e-5, -1e-15, 1e-15, "nan", "", "inf"])
def test_bad_deltas(delta: float | str) -> None:
    with pytest.raises(InputError) as caught:
        PrivacyTerms.of(1, delta)
    assert caught.value.code == "bad-delta"


def test_rounding_is_towards_more_privacy() -> None:
    terms = PrivacyTerms.of("1.0000019", "0.0000000000019")
    assert (terms.epsilon_micro, terms.delta_pico) == (1_000_001, 1)


def test_records_per_user_belong_to_the_unit_user() -> None:
    assert PrivacyTerms.of(1, unit=Unit.USER, records_per_user=5).records_per_user == 5
    for unit, count in [(Unit.RECORD, 2), (Unit.USER, 0), (Unit.USER, 10**7)]:
        with pytest.raises(InputError):
            PrivacyTerms.of(1, unit=unit, records_per_user=count)


def test_each_of_a_users_documents_keeps_its_part() -> None:
    assert PrivacyTerms.of(1).record_epsilon_micro == 1_000_000
    assert PrivacyTerms.of(1, unit=Unit.USER, records_per_user=3).record_epsilon_micro == 333_333
    assert PrivacyTerms.of("0.000002", unit=Unit.USER, records_per_user=3).record_epsilon_micro == 1


def test_there_are_two_units() -> None:
    with pytest.raises(InputError) as caught:
        PrivacyTerms(epsilon_micro=1, delta_pico=0, unit="household")  # type: ignore[arg-type]
    assert caught.value.code == "bad-unit"


def test_terms_have_canonical_bytes() -> None:
    terms = PrivacyTerms.of(2, 1e-5, unit=Unit.USER, records_per_user=3)
    assert codec.decode(PrivacyTerms, codec.encode(terms)) == terms


def test_figures_as_people_read_them() -> None:
    assert in_units(1_500_000) == "1.5"
    assert in_units(4_000_000) == "4"
    assert in_units(10_000_000, PICO) == "0.00001"
    assert in_units(0) == "0"
