"""What releases add up to.

Gaussian releases compose by adding the squares of their mu (`comitia.privacy.gdp`), pure ones by adding
their epsilons. The two totals are kept apart; `Total.epsilon_micro` adds them, which is valid (basic
composition) but not tight.

A cap is another matter than a sum: whoever asks chooses the next release by what the earlier ones said, its kind too,
and stops where it suits. Of one kind, a cap on the total holds nevertheless, at the same epsilon E and delta d
(Smith and Thakurta, *Fully Adaptive Composition for Gaussian Differential Privacy*, 2022). Of two kinds the sum
e(mu²) + p <= E does not: it offers a choice of divisions of E, and the best one can be picked afterwards. So where both
kinds are there, the pure part is rounded up to tenths of E, and the Gaussian part is held to the rest at d / 10.

Proof. Let P_j, 1 <= j <= 9, be the interaction cut off before pure releases pass jE/10 or mu² passes that of
((10 - j) E/10, d/10). The logarithm of the ratio of the two likelihoods then moves by at most jE/10 in all pure
releases together, whatever happens between them, and the Gaussian ones alone are ((10 - j) E/10, d/10)-private however
they are chosen: at worst all pure ones push one way, so P_j is (E, d/10)-private. P_0, of Gaussian releases alone, is
(E, d)-private, of pure ones alone (E, 0). Totals only grow, so an interaction that keeps to the cap is one of these
from beginning to end; the least j that holds at its end sorts what can be seen into disjoint parts, whose deltas add
up. Together (E, 1.9 d): what a cap promises is E at 2 d, and at d to whoever stays with one kind.
"""

from __future__ import annotations

from dataclasses import dataclass

from comitia.privacy.gdp import epsilon_from, mu_from

PARTS = 10
"""A cap is divided between the two kinds in so many parts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Total:
    """What a set of releases adds up to.

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

    def room(self, cap_micro: int, delta_pico: int) -> int:
        """How large `mu_squared` may be under a cap, beside the pure total; see this module."""
        if cap_micro == 0:
            return 0
        if self.pure_micro == 0:
            return mu_from(cap_micro, delta_pico) ** 2
        taken = -(-self.pure_micro * PARTS // cap_micro)
        left_micro, part_pico = cap_micro * (PARTS - taken) // PARTS, delta_pico // PARTS
        return mu_from(left_micro, part_pico) ** 2 if left_micro > 0 and part_pico else 0

    @property
    def mixed(self) -> bool:
        """Whether there are Gaussian and pure releases in it."""
        return bool(self.mu_squared and self.pure_micro)

    def within(self, cap_micro: int, delta_pico: int) -> bool:
        """Whether a cap is kept, decided in exact integers."""
        return self.pure_micro <= cap_micro and self.mu_squared <= self.room(cap_micro, delta_pico)


def cost_of(epsilon_micro: int, delta_pico: int) -> Total:
    """Return what one release with this guarantee costs: pure if delta is 0, else Gaussian."""
    if delta_pico == 0:
        return Total(pure_micro=epsilon_micro)
    return Total(mu_squared=mu_from(epsilon_micro, delta_pico) ** 2)
