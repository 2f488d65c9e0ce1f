"""The receipt of a release: what it has paid, and whether the noise it names pays for what it claims."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from math import ceil

from comitia.core import codec
from comitia.core.errors import InputError, ProtocolError
from comitia.core.units import MICRO, PICO
from comitia.privacy.gdp import mu_from
from comitia.privacy.samplers import MAX_SCALE, MAX_SIGMA_SQUARED, IntArray
from comitia.privacy.terms import NEIGHBOURS, PrivacyTerms, Unit, in_units

MAX_GRID_BITS = 30
SMOOTHING = 16
"""Added to sigma squared of every Gaussian release; why: `comitia.privacy.mechanisms.gaussian`."""


class Mechanism(StrEnum):
    """How a release was noised."""

    GAUSSIAN = "discrete-gaussian"
    LAPLACE = "discrete-laplace"


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What a release has paid: all that is needed to price it and to check that the noise fits the claim.

    Attributes
    ----------
    mechanism : Mechanism
        Which noise.
    epsilon_micro, delta_pico : int
        The guarantee, for one unit; see `PrivacyTerms`.
    unit : Unit
        What neighbours differ in.
    records_per_user : int
        The most documents of one user; 1 with unit `Unit.RECORD`.
    neighbours : str
        Always `NEIGHBOURS`.
    sensitivity_numerator, sensitivity_denominator : int
        The most that replacing one unit moves the values, in grid steps, in lowest terms: for
        `Mechanism.GAUSSIAN` the *square* of the L2 sensitivity, for `Mechanism.LAPLACE` the L1 sensitivity.
    sigma_squared : int
        Parameter of the discrete Gaussian in squared grid steps; 0 for `Mechanism.LAPLACE`, whose scale is
        sensitivity over epsilon.
    grid_bits : int
        The value 1.0 is 2^grid_bits grid steps.
    trusted_noise : bool
        Whether nobody could foretell the noise. False: from a seed, in a simulation.
    digest : bytes
        SHA-256 of the released values, which makes the receipt theirs: see `digest_of`.
    """

    mechanism: Mechanism
    epsilon_micro: int
    delta_pico: int
    unit: Unit
    records_per_user: int
    neighbours: str
    sensitivity_numerator: int
    sensitivity_denominator: int
    sigma_squared: int
    grid_bits: int
    trusted_noise: bool
    digest: bytes

    @property
    def terms(self) -> PrivacyTerms:
        """The guarantee, checked for its ranges (`InputError`)."""
        return PrivacyTerms(
            epsilon_micro=self.epsilon_micro,
            delta_pico=self.delta_pico,
            unit=self.unit,
            records_per_user=self.records_per_user,
        )

    @property
    def sensitivity(self) -> Fraction:
        """Sensitivity in grid steps, squared for the Gaussian."""
        return Fraction(self.sensitivity_numerator, self.sensitivity_denominator)

    @property
    def variance(self) -> int:
        """What the variance of the noise on each value is at most, in squared grid steps.

        sigma² for `Mechanism.GAUSSIAN`. The discrete Laplace of scale b has 2q / (1 - q)² with q = exp(-1/b), which is
        1 / (2 sinh²(1/2b)) and so below 2 b².
        """
        if self.mechanism == Mechanism.GAUSSIAN:
            return self.sigma_squared
        return ceil(2 * (self.sensitivity * MICRO / self.epsilon_micro) ** 2)

    @property
    def variance_of_square(self) -> int:
        """The variance of the squared noise on a value, in squares of `variance`: 2 for Gaussian, 5 for Laplace noise.

        The fourth moments are 3 and 6, but for the noise being discrete, which does not matter at many steps.
        """
        return 2 if self.mechanism == Mechanism.GAUSSIAN else 5


def digest_of(values: IntArray) -> bytes:
    """Return SHA-256 over shape and little-endian 64-bit content of released integers."""
    head = codec.encode(["comitia/release/1", list(values.shape)])
    return hashlib.sha256(head + values.astype("<i8").tobytes()).digest()


def check_receipt(receipt: Receipt) -> None:
    """Check that a receipt's figures are in range and its noise pays for its claim.

    Raises
    ------
    ProtocolError
        `bad-receipt`: out of range; `too-little-noise`: the noise does not give the claimed epsilon and
        delta.
    """
    _check_ranges(receipt)
    if receipt.mechanism == Mechanism.GAUSSIAN:
        least = least_sigma_squared(receipt.sensitivity, mu_from(receipt.epsilon_micro, receipt.delta_pico))
        if receipt.sigma_squared < least:
            raise ProtocolError(
                f"sigma squared is {receipt.sigma_squared}, the claim needs {least} at least",
                code="too-little-noise",
                sigma_squared=receipt.sigma_squared,
                needed=least,
            )


def require_terms(receipt: Receipt, asked: PrivacyTerms) -> None:
    """Check that a release promises what was asked for: this epsilon and delta, and users where users were asked for.

    Who promises users' privacy where records' was asked for gives more, and counts as many records of each as it says.

    Raises
    ------
    ProtocolError
        `other-terms`: it promises something else.
    """
    same = (receipt.epsilon_micro, receipt.delta_pico) == (asked.epsilon_micro, asked.delta_pico)
    if not same or (asked.unit == Unit.USER and receipt.unit != Unit.USER):
        raise ProtocolError(
            f"the receipt says {_in_words(receipt.terms)}, asked for was {_in_words(asked)}",
            code="other-terms",
            epsilon_micro=receipt.epsilon_micro,
            delta_pico=receipt.delta_pico,
            unit=receipt.unit.value,
        )


def _in_words(terms: PrivacyTerms) -> str:
    return f"epsilon {in_units(terms.epsilon_micro)} and delta {in_units(terms.delta_pico, PICO)} per {terms.unit}"


def _check_ranges(receipt: Receipt) -> None:
    gaussian = receipt.mechanism == Mechanism.GAUSSIAN
    top, bottom = receipt.sensitivity_numerator, receipt.sensitivity_denominator
    bounds = {
        "epsilon_micro, delta_pico, unit or records_per_user": _in_range(receipt),
        "neighbours": receipt.neighbours == NEIGHBOURS,
        "delta_pico": (receipt.delta_pico > 0) == gaussian,
        "sensitivity": 1 <= bottom <= MAX_SCALE
        and 1 <= top <= MAX_SCALE**2
        and Fraction(top, bottom).denominator == bottom,
        "sigma_squared": 1 <= receipt.sigma_squared <= MAX_SIGMA_SQUARED if gaussian else receipt.sigma_squared == 0,
        "grid_bits": 0 <= receipt.grid_bits <= MAX_GRID_BITS,
        "digest": len(receipt.digest) == 32,
    }
    for field, holds in bounds.items():
        if not holds:
            raise ProtocolError(f"the receipt's {field} is out of range", code="bad-receipt", field=field)


def _in_range(receipt: Receipt) -> bool:
    try:
        _ = receipt.terms
    except InputError:
        return False
    return True


def least_sigma_squared(sensitivity_squared: Fraction, mu_pico: int) -> int:
    """Return ceil(sensitivity^2 / mu^2) + `SMOOTHING`, exactly."""
    exact = sensitivity_squared * PICO**2 / mu_pico**2
    return -(-exact.numerator // exact.denominator) + SMOOTHING
