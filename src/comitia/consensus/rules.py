"""What a session judges by."""

from __future__ import annotations

from dataclasses import dataclass

from comitia.core.errors import ConfigurationError


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityRules:
    """What a session judges by; all but the first four are the specification's figures.

    Attributes
    ----------
    quorum
        Members, the author included, who must hold a model and agree on its exact figures.
    kappa
        How declared rows count in the ranking: +1 helps, 0 not at all, -1 the paper's formula.
    accept_unverified
        Whether models nobody can judge are used, unless their signal is below 0. They earn no credit and no strike.
    reference_size
        Labelled public documents behind `reference_loss_ppm`; 0 switches check 3 off.
    beta_ppm
        Chance that a sampling tolerance is exceeded by accident.
    margin_ppm
        mu: how much worse than the median a loss may be beyond twice its tolerance.
    widest_tolerance_ppm
        A row whose tolerance is wider than this cannot tell good from bad.
    most_excess_micro, least_left_micro
        The 6 and -4 of check 2.
    least_signal_micro, doubt_micro, least_share_of_median_ppm
        The 3, the 2.33 and the half of check 5.
    far_micro, far_of_median_ppm
        The .15 and the 1.5 of check 6.
    telling_micro
        A model of which less signal is to be expected has no part in the median rho: its own is all noise.
    """

    quorum: int
    kappa: int = 1
    accept_unverified: bool = False
    reference_size: int = 0
    beta_ppm: int = 50_000
    margin_ppm: int = 50_000
    widest_tolerance_ppm: int = 100_000
    most_excess_micro: int = 6_000_000
    least_left_micro: int = -4_000_000
    least_signal_micro: int = 3_000_000
    doubt_micro: int = 2_330_000
    least_share_of_median_ppm: int = 500_000
    far_micro: int = 150_000
    far_of_median_ppm: int = 1_500_000
    telling_micro: int = 3_000_000

    def __post_init__(self) -> None:
        if self.kappa not in (-1, 0, 1):
            raise ConfigurationError(
                f"kappa is {self.kappa}, but declared rows can only help (1), not count (0) or hurt (-1)",
                code="bad-kappa",
                hint="use kappa = 1 unless you compare with the paper's formula (-1)",
                kappa=self.kappa,
            )
