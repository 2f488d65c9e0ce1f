"""The mechanisms, their receipts, and what comes off the wire."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from math import exp

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from comitia.core import codec
from comitia.core.errors import InputError, ProtocolError
from comitia.core.units import MICRO, PICO
from comitia.privacy.gdp import mu_from
from comitia.privacy.mechanisms import gaussian, gaussian_sigma_squared, laplace, laplace_scale
from comitia.privacy.noise import SeededNoise, SystemNoise
from comitia.privacy.receipt import SMOOTHING, Mechanism, Receipt, check_receipt, digest_of, require_terms
from comitia.privacy.released import Released, parse_released
from comitia.privacy.samplers import MAX_SCALE, MAX_SIGMA_SQUARED
from comitia.privacy.terms import PrivacyTerms, Unit

TERMS = PrivacyTerms.of(1, 1e-5)
PURE = PrivacyTerms.of(1)
VALUES = np.arange(12, dtype=np.int64).reshape(3, 4)


def release(**changes: object) -> Released[np.ndarray]:
    arguments: dict[str, object] = {
        "l2_sensitivity_squared": 4 << 24,
        "terms": TERMS,
        "noise": SystemNoise(),
        "grid_bits": 12,
    }
    return gaussian(VALUES, **(arguments | changes))  # type: ignore[arg-type]


def test_gaussian_receipt_says_it_all() -> None:
    released = release()
    assert released.value.shape == VALUES.shape
    mu = mu_from(MICRO, 10_000_000)
    assert released.receipt == Receipt(
        mechanism=Mechanism.GAUSSIAN,
        epsilon_micro=1_000_000,
        delta_pico=10_000_000,
        unit=Unit.RECORD,
        records_per_user=1,
        neighbours="replace-one",
        sensitivity_numerator=4 << 24,
        sensitivity_denominator=1,
        sigma_squared=-(-(4 << 24) * PICO**2 // mu**2) + SMOOTHING,
        grid_bits=12,
        trusted_noise=True,
        digest=digest_of(released.value),
    )
    assert released.receipt.sigma_squared**0.5 / 2**12 == pytest.approx(7.4613, abs=1e-4)


def test_gaussian_noise_has_the_size_on_the_receipt() -> None:
    released = gaussian(
        np.zeros(20_000, dtype=np.int64), l2_sensitivity_squared=10**8, terms=TERMS, noise=SeededNoise(b"size")
    )
    assert float((released.value.astype(float) ** 2).mean()) == pytest.approx(released.receipt.sigma_squared, rel=0.08)


def test_laplace_receipt_and_scale() -> None:
    zeros = np.zeros(20_000, dtype=np.int64)
    released = laplace(zeros, l1_sensitivity=2, terms=PURE, noise=SeededNoise(b"scale"))
    assert released.receipt.mechanism == Mechanism.LAPLACE
    assert (released.receipt.sensitivity, released.receipt.sigma_squared) == (2, 0)
    ratio = exp(-1 / 2)
    assert float((released.value**2).mean()) == pytest.approx(2 * ratio / (1 - ratio) ** 2, rel=0.1)


def test_eq_3_holds_for_laplace_on_every_outcome() -> None:
    """'Pr[A(D) in S] <= exp(epsilon) · Pr[A(D') in S]' (Eq. 3), on the law that the scale on the receipt gives."""
    scale = 2 / 1.0
    law = {y: exp(-abs(y) / scale) for y in range(-300, 301)}
    for outcome in range(-250, 250):
        for shift in (-2, -1, 1, 2):
            assert law[outcome] <= exp(1.0 + 1e-12) * law[outcome + shift]


def test_a_user_pays_for_all_of_their_records() -> None:
    terms = PrivacyTerms.of(1, 1e-5, unit=Unit.USER, records_per_user=3)
    assert release(terms=terms).receipt.sensitivity == 9 * (4 << 24)
    pure = PrivacyTerms.of(1, unit=Unit.USER, records_per_user=3)
    assert laplace(VALUES, l1_sensitivity=2, terms=pure, noise=SystemNoise()).receipt.sensitivity == 6


def test_seeded_noise_stands_on_the_receipt() -> None:
    assert not release(noise=SeededNoise(b"x")).receipt.trusted_noise


@pytest.mark.parametrize("sensitivity", [0, -1, 2.0, True, Fraction(-1, 2), "2"])
def test_a_sensitivity_is_exact_and_positive(sensitivity: object) -> None:
    with pytest.raises(InputError) as caught:
        release(l2_sensitivity_squared=sensitivity)
    assert caught.value.code == "bad-sensitivity"
    with pytest.raises(InputError):
        laplace(VALUES, l1_sensitivity=sensitivity, terms=PURE, noise=SystemNoise())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "values",
    [
        VALUES.astype(float),
        VALUES.astype(np.int32),
        VALUES[:0],
        [1, 2],
        np.array([2**61]),
        np.array([-(2**61)]),
        np.array([-(2**63)]),
    ],
)
def test_values_are_64_bit_integers_with_room_for_noise(values: object) -> None:
    with pytest.raises(InputError) as caught:
        laplace(values, l1_sensitivity=2, terms=PURE, noise=SystemNoise())  # type: ignore[arg-type]
    assert caught.value.code == "bad-values"


def test_values_just_within_the_room_are_released() -> None:
    for value in (2**61 - 1, -(2**61) + 1):
        released = laplace(np.array([value]), l1_sensitivity=2, terms=PURE, noise=SystemNoise())
        assert abs(int(released.value[0]) - value) < 1_000


def test_a_grid_is_of_whole_numbers_unless_it_is_said() -> None:
    assert release().receipt.grid_bits == 12
    plain = laplace(VALUES, l1_sensitivity=2, terms=PURE, noise=SystemNoise())
    coarse = gaussian(VALUES, l2_sensitivity_squared=4 << 24, terms=TERMS, noise=SystemNoise())
    assert (plain.receipt.grid_bits, coarse.receipt.grid_bits) == (0, 0)


def test_noise_for_a_user_is_as_many_times_wider_as_records_are_theirs() -> None:
    user = PrivacyTerms.of(1, 1e-5, unit=Unit.USER, records_per_user=3)
    assert gaussian_sigma_squared(4 << 24, user) == gaussian_sigma_squared(9 * (4 << 24), TERMS)
    pure = PrivacyTerms.of(1, unit=Unit.USER, records_per_user=3)
    assert laplace_scale(2, pure) == 3 * laplace_scale(2, PURE)


def test_the_widest_noise_there_is_is_drawn_and_no_wider() -> None:
    mu = mu_from(TERMS.epsilon_micro, TERMS.delta_pico)
    most = Fraction((MAX_SIGMA_SQUARED - 16) * mu**2, 10**24)
    assert gaussian_sigma_squared(most, TERMS) == MAX_SIGMA_SQUARED
    assert laplace_scale(MAX_SCALE, PURE) == MAX_SCALE
    for attempt in (
        lambda: gaussian_sigma_squared(most + Fraction(1, 10**24), TERMS),
        lambda: laplace_scale(MAX_SCALE + 1, PURE),
    ):
        with pytest.raises(InputError) as caught:
            attempt()
        assert caught.value.code == "noise-too-large"


def test_delta_fits_the_mechanism() -> None:
    with pytest.raises(InputError):
        release(terms=PURE)
    with pytest.raises(InputError):
        laplace(VALUES, l1_sensitivity=2, terms=TERMS, noise=SystemNoise())


def test_noise_that_cannot_be_drawn_is_refused() -> None:
    for attempt in (
        lambda: release(terms=PrivacyTerms.of("0.000001", 1e-5)),
        lambda: laplace(VALUES, l1_sensitivity=2**60, terms=PURE, noise=SystemNoise()),
    ):
        with pytest.raises(InputError) as caught:
            attempt()
        assert caught.value.code == "noise-too-large"


def test_what_is_released_cannot_be_changed() -> None:
    released = release()
    with pytest.raises(ValueError, match="read-only"):
        released.value[0, 0] = 1
    assert VALUES.flags.writeable


def test_a_release_goes_over_the_wire() -> None:
    released = release()
    back = parse_released(codec.encode(released.receipt), released.value.copy())
    assert back.receipt == released.receipt
    assert (back.value == released.value).all()


def damage(**changes: object) -> str:
    released = release()
    receipt = codec.encode(replace(released.receipt, **changes))  # type: ignore[arg-type]
    with pytest.raises(ProtocolError) as caught:
        parse_released(receipt, released.value)
    return caught.value.code


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"epsilon_micro": 0}, "bad-receipt"),
        ({"epsilon_micro": 65_000_000}, "bad-receipt"),
        ({"delta_pico": 0}, "bad-receipt"),
        ({"records_per_user": 2}, "bad-receipt"),
        ({"neighbours": "add-one"}, "bad-receipt"),
        ({"sensitivity_numerator": 0}, "bad-receipt"),
        ({"sensitivity_denominator": 2}, "bad-receipt"),
        ({"sensitivity_numerator": 2**104 + 1}, "bad-receipt"),
        ({"sensitivity_numerator": 1, "sensitivity_denominator": 2**52 + 1}, "bad-receipt"),
        ({"sigma_squared": 2**44 + 1}, "bad-receipt"),
        ({"grid_bits": 31}, "bad-receipt"),
        ({"digest": b"short"}, "bad-receipt"),
        ({"sigma_squared": 100}, "too-little-noise"),
        ({"epsilon_micro": 999_999}, "too-little-noise"),
        ({"sensitivity_numerator": (4 << 24) + 10}, "too-little-noise"),
        ({"trusted_noise": False}, "seeded-noise"),
        ({"digest": bytes(32)}, "receipt-mismatch"),
        ({"mechanism": Mechanism.LAPLACE}, "bad-receipt"),
    ],
)
def test_a_receipt_that_does_not_hold_is_refused(changes: dict[str, object], code: str) -> None:
    assert damage(**changes) == code


def test_a_receipt_says_how_wide_its_noise_is() -> None:
    wide = release().receipt
    assert (wide.variance, wide.variance_of_square) == (wide.sigma_squared, 2)
    narrow = laplace(VALUES, l1_sensitivity=3, terms=PrivacyTerms.of("0.5"), noise=SystemNoise()).receipt
    assert (narrow.variance, narrow.variance_of_square) == (2 * 6**2, 5)
    third = laplace(VALUES, l1_sensitivity=1, terms=PrivacyTerms.of(3), noise=SystemNoise()).receipt
    assert third.variance == 1


def test_figures_of_a_receipt_at_their_limits() -> None:
    for changes in (
        {"sensitivity_numerator": 1, "sensitivity_denominator": 2**52},
        {"sensitivity_numerator": 1, "sigma_squared": 2**44},
        {"grid_bits": 30},
        {"grid_bits": 0},
    ):
        check_receipt(replace(release().receipt, **changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("asked", "serves"),
    [
        (TERMS, True),
        (PrivacyTerms.of("1.000001", 1e-5), False),
        (PrivacyTerms.of(1, 1.1e-5), False),
        (PrivacyTerms.of(1, 1e-5, unit=Unit.USER), False),
    ],
)
def test_a_receipt_serves_who_asked_for_its_terms(asked: PrivacyTerms, serves: bool) -> None:
    if serves:
        require_terms(release().receipt, asked)
        require_terms(release(terms=PrivacyTerms.of(1, 1e-5, unit=Unit.USER, records_per_user=3)).receipt, asked)
        return
    with pytest.raises(ProtocolError) as caught:
        require_terms(release().receipt, asked)
    assert caught.value.code == "other-terms"


def test_a_receipt_belongs_to_its_values_and_their_shape() -> None:
    released = release()
    for values in (released.value + 1, released.value.reshape(4, 3)):
        with pytest.raises(ProtocolError) as caught:
            parse_released(codec.encode(released.receipt), values)
        assert caught.value.code == "receipt-mismatch"


def test_the_simulator_may_read_seeded_releases() -> None:
    released = release(noise=SeededNoise(b"x"))
    assert parse_released(codec.encode(released.receipt), released.value, allow_seeded=True).receipt


@settings(max_examples=30)
@given(
    st.integers(1, 2**40),
    st.integers(1, 2**20),
    st.sampled_from([500_000, 1_000_000, 8_000_000]),
    st.sampled_from([1, 10_000_000]),
)
def test_every_receipt_that_is_made_holds(top: int, bottom: int, epsilon_micro: int, delta_pico: int) -> None:
    terms = PrivacyTerms(epsilon_micro=epsilon_micro, delta_pico=delta_pico)
    sensitivity = Fraction(top, bottom)
    try:
        made = gaussian(VALUES, l2_sensitivity_squared=sensitivity, terms=terms, noise=SeededNoise(b""))
    except InputError as error:
        assert error.code == "noise-too-large"
        return
    check_receipt(made.receipt)
    mu = mu_from(epsilon_micro, delta_pico)
    assert sensitivity / (made.receipt.sigma_squared - SMOOTHING) <= Fraction(mu, PICO) ** 2
