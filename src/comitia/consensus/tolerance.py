"""How far a loss measured on a few documents may lie from the truth by accident."""

from __future__ import annotations

from math import isqrt

from comitia.core.logarithm import ln_pico
from comitia.core.units import PPM


def tolerance_ppm(models: int, documents: int, *, beta_ppm: int, epsilon_micro: int | None = None) -> int | None:
    """t_j in millionths, rounded up; None without documents.

    t_j = sqrt(ln(4k/beta) / (2 n_j)) + k/(n_j eps_v) ln(2k/beta): Hoeffding's bound on k mean losses in
    [0, 1], plus the tail of discrete Laplace noise of scale k/eps_v on each sum of losses. Each part fails
    with probability beta/2 at most.

    Parameters
    ----------
    models
        k, the number of models scored.
    documents
        n_j.
    beta_ppm
        Chance that any of the k losses is off by more, in millionths.
    epsilon_micro
        eps_v in millionths; None for losses that carry no noise.

    Source: III.D, "If the calculated MAE is within a certain range, an approval will be sent to the leader."
    """
    if documents <= 0 or models <= 0:
        return None
    # ln is in 1e-12 and a square root in 1e-6, so the units cancel without a factor.
    sampling = isqrt(ln_pico(4 * models * PPM, beta_ppm) // (2 * documents)) + 1
    if epsilon_micro is None:
        return sampling
    return sampling - (-models * ln_pico(2 * models * PPM, beta_ppm) // (documents * epsilon_micro))
