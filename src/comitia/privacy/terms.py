"""What a release promises: epsilon, delta and whose data may differ between neighbours."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from enum import StrEnum

from comitia.core.errors import InputError
from comitia.core.units import MICRO, PICO

MAX_EPSILON_MICRO = 64 * MICRO
"""A release above epsilon 64 protects nobody; the accountant's error bounds are proved up to here."""
MAX_RECORDS_PER_USER = 1_000_000

NEIGHBOURS = "replace-one"
"""Two sets of documents are neighbours if they differ in the content of one unit; their sizes are equal and
public."""


class Unit(StrEnum):
    """What one document set may differ in from its neighbour."""

    RECORD = "record"
    USER = "user"


@dataclass(frozen=True, slots=True, kw_only=True)
class PrivacyTerms:
    """The guarantee a release gives: (epsilon, delta)-differential privacy for one unit.

    Source: Eq. (3) (delta = 0; delta > 0 is the usual relaxation, which the Gaussian mechanism needs)

    For all neighbouring document sets D, D' and all sets S of outcomes, Pr[A(D) in S] <= exp(epsilon)
    Pr[A(D') in S] + delta.

    Attributes
    ----------
    epsilon_micro : int
        epsilon in millionths, 1 .. `MAX_EPSILON_MICRO`.
    delta_pico : int
        delta in units of 1e-12, 0 .. 10^12 - 1; 0 is pure differential privacy.
    unit : Unit
        What neighbours differ in.
    records_per_user : int
        The most documents one user has in the data, 1 .. `MAX_RECORDS_PER_USER`; 1 with unit `Unit.RECORD`.

    Raises
    ------
    InputError
        A figure is out of its range.
    """

    epsilon_micro: int
    delta_pico: int
    unit: Unit = Unit.RECORD
    records_per_user: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.epsilon_micro <= MAX_EPSILON_MICRO:
            raise InputError(
                f"epsilon must be above 0 and at most 64, it is {in_units(self.epsilon_micro)}",
                code="bad-epsilon",
                hint="usual values are 0.5 to 4: less is more private, more is more accurate",
                epsilon_micro=self.epsilon_micro,
            )
        if not 0 <= self.delta_pico < PICO:
            raise InputError(
                f"delta must be at least 0 and below 1, it is {in_units(self.delta_pico, PICO)}",
                code="bad-delta",
                hint="take 1e-5, or less than one over the number of documents",
                delta_pico=self.delta_pico,
            )
        if self.unit not in tuple(Unit):
            raise InputError(
                f"the unit of privacy is 'record' or 'user', not {self.unit!r}",
                code="bad-unit",
                unit=str(self.unit),
            )
        most = MAX_RECORDS_PER_USER if self.unit == Unit.USER else 1
        if not 1 <= self.records_per_user <= most:
            raise InputError(
                f"records per user must lie in 1 .. {most} for unit '{self.unit}', they are {self.records_per_user}",
                code="bad-records-per-user",
                records_per_user=self.records_per_user,
            )

    @property
    def pure(self) -> bool:
        """Whether there is no delta."""
        return self.delta_pico == 0

    @property
    def record_epsilon_micro(self) -> int:
        """What pure terms keep for one document, in millionths, at least 1: noise for a user's c documents is c times
        as wide."""
        return max(1, self.epsilon_micro // self.records_per_user)

    @classmethod
    def of(
        cls,
        epsilon: float | str | Decimal,
        delta: float | str | Decimal = 0,
        *,
        unit: Unit = Unit.RECORD,
        records_per_user: int = 1,
    ) -> PrivacyTerms:
        """Make terms from figures as people write them, rounding towards more privacy.

        Raises
        ------
        InputError
            Not a number, or out of range.
        """
        return cls(
            epsilon_micro=_whole(epsilon, MICRO, "epsilon"),
            delta_pico=_whole(delta, PICO, "delta"),
            unit=unit,
            records_per_user=records_per_user,
        )


def in_units(value: int, per_unit: int = MICRO) -> str:
    """Write an integer count of `1/per_unit` as people read it: 1500000 -> '1.5'."""
    return f"{(Decimal(value) / per_unit).normalize():f}"


def _whole(figure: float | str | Decimal, per_unit: int, name: str) -> int:
    """Return floor(figure · per_unit), reading a float by its shortest decimal form."""
    try:
        number = Decimal(str(figure))
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite() or abs(number) > PICO:
        raise InputError(f"{name} must be a number, it is {figure!r}", code=f"bad-{name}", value=str(figure))
    whole = int(number * per_unit)
    if number < 0 and whole == 0:
        return -1
    if name == "delta" and number > 0 and whole == 0:
        raise InputError(
            f"delta {figure} is below 1e-12, the smallest there is",
            code="bad-delta",
            hint="0 asks for pure privacy",
        )
    return whole
