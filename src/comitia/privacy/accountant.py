"""What releases add up to.

Gaussian releases compose by adding the squares of their mu (`comitia.privacy.gdp`), pure ones by adding
their epsilons. The two totals are kept apart; `Total.epsilon_micro` adds them, which is valid (basic
composition) but not tight.
"""

from __future__ import annotations

from dataclasses import dataclass

from comitia.privacy.gdp import epsilon_from, mu_from
from comitia.privacy.terms import Slots


@dataclass(frozen=True, slots=True, kw_only=True)
class Total:
    """What a set of releases on the same slots adds up to.

    Attributes
    ----------
    mu_squared : int
        Gaussian total: sum of mu^2, mu in units of 1e-12.
    pure_micro : int
        Pure total: sum of epsilon, in millionths.
    """

    mu_squared: int = 0
    pure_micro: int = 0

    def __add__(self, other: Total) -> Total:
        return Total(mu_squared=self.mu_squared + other.mu_squared, pure_micro=self.pure_micro + other.pure_micro)

    def __mul__(self, times: int) -> Total:
        return Total(mu_squared=self.mu_squared * times, pure_micro=self.pure_micro * times)

    def epsilon_micro(self, delta_pico: int) -> int:
        """Return the epsilon that both totals together guarantee at delta: the Gaussian one's plus the pure
        one's."""
        return epsilon_from(self.mu_squared, delta_pico) + self.pure_micro

    def within(self, cap_micro: int, delta_pico: int) -> bool:
        """Whether `epsilon_micro(delta_pico) <= cap_micro`, decided in exact integers."""
        left = cap_micro - self.pure_micro
        if self.mu_squared == 0 or left <= 0:
            return left >= 0 and self.mu_squared == 0
        return self.mu_squared <= mu_from(left, delta_pico) ** 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """What releases add up to, by the slots they read.

    Replacing one document touches training or hold-out slots, never both, so those totals compose in
    parallel: the larger counts. Releases that read all slots count towards both.

    Attributes
    ----------
    training, hold_out : Total
        Each with the releases that read all slots added in.
    """

    training: Total = Total()
    hold_out: Total = Total()

    def add(self, cost: Total, slots: Slots) -> Totals:
        """Return the totals with one more release."""
        return Totals(
            training=self.training if slots == Slots.HOLD_OUT else self.training + cost,
            hold_out=self.hold_out if slots == Slots.TRAINING else self.hold_out + cost,
        )

    def epsilon_micro(self, delta_pico: int) -> int:
        """Return the epsilon guaranteed for any one document at delta."""
        return max(self.training.epsilon_micro(delta_pico), self.hold_out.epsilon_micro(delta_pico))

    def within(self, cap_micro: int, delta_pico: int) -> bool:
        """Whether any one document's epsilon stays at or under a cap."""
        return self.training.within(cap_micro, delta_pico) and self.hold_out.within(cap_micro, delta_pico)


def cost_of(epsilon_micro: int, delta_pico: int) -> Total:
    """Return what one release with this guarantee costs: pure if delta is 0, else Gaussian."""
    if delta_pico == 0:
        return Total(pure_micro=epsilon_micro)
    return Total(mu_squared=mu_from(epsilon_micro, delta_pico) ** 2)
