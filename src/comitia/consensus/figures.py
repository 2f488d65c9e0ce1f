"""The exact figures of models, as a quorum of judges agrees on them, and what is usual among them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction

from comitia.consensus.rules import QualityRules
from comitia.consensus.score_sheet import Score
from comitia.core.ids import NodeId
from comitia.core.units import PPM


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """The exact figures of one model that a quorum agrees on; None where there is none, or no agreement.

    Attributes
    ----------
    author
        Whose model.
    signal_micro, expected_micro, left_micro, farthest_micro, excess_micro, reference_loss_ppm
        As in `Score`.
    """

    author: NodeId
    signal_micro: int | None = None
    expected_micro: int | None = None
    left_micro: int | None = None
    farthest_micro: int | None = None
    excess_micro: int | None = None
    reference_loss_ppm: int | None = None

    @property
    def rho(self) -> Fraction | None:
        """Measured over expected signal; None where there is nothing to expect."""
        if self.signal_micro is None or self.expected_micro is None or self.expected_micro <= 0:
            return None
        return Fraction(self.signal_micro, self.expected_micro)

    @property
    def mae_ppm(self) -> int:
        """MAE(m_i) in millionths: the loss on the references, or where there are none, 1 - rho between 0 and 1.

        Without the bound, a release scaled up would lead.
        """
        if self.reference_loss_ppm is not None:
            return self.reference_loss_ppm
        return PPM - int(PPM * min(Fraction(1), max(Fraction(0), self.rho or Fraction(0))))


def exact_figures(score: Score) -> Figures:
    """The figures on which all honest judges agree to the last digit."""
    return Figures(
        author=score.author,
        signal_micro=score.signal_micro,
        expected_micro=score.expected_micro,
        left_micro=score.left_micro,
        farthest_micro=score.farthest_micro,
        excess_micro=score.excess_micro,
        reference_loss_ppm=score.reference_loss_ppm,
    )


def agreed_figures(lines: Mapping[NodeId, Score], quorum: int) -> Figures | None:
    """The figures that most holders post, if with the author they are a quorum; otherwise None."""
    votes = Counter(exact_figures(line) for line in lines.values())
    for figures, count in votes.items():
        if 2 * count > len(lines) and count >= quorum - 1:
            return figures
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Usual:
    """Medians over the models of one session; None where no model tells.

    Attributes
    ----------
    rho
        Of measured over expected signal.
    farthest_micro
        Of the distance of the farthest category from public knowledge.
    """

    rho: Fraction | None
    farthest_micro: Fraction | None

    @classmethod
    def of(cls, models: Iterable[Figures], rules: QualityRules) -> Usual:
        known = list(models)
        return cls(
            rho=median(each.rho for each in known if (each.expected_micro or 0) >= rules.telling_micro),
            farthest_micro=median(Fraction(each.farthest_micro) for each in known if each.farthest_micro is not None),
        )


def median(values: Iterable[Fraction | None]) -> Fraction | None:
    """The exact median of the values that are there; None without any."""
    present = sorted(value for value in values if value is not None)
    if not present:
        return None
    middle = len(present) // 2
    return present[middle] if len(present) % 2 else (present[middle - 1] + present[middle]) / 2
