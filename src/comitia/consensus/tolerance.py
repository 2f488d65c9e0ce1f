"""How far a loss measured on a few documents may lie from the truth by accident."""

from __future__ import annotations

from math import isqrt

from comitia.core.logarithm import ln_pico
from comitia.core.units import PPM


def tolerance_ppm(models: int, documents: int, *, beta_ppm: int) -> int | None:
    """t in millionths, rounded up; None without documents.

    t = sqrt(ln(4k/beta) / (2n)): Hoeffding's bound on k mean losses in [0, 1], which fails with probability beta/2 at
    most.

    Parameters
    ----------
    models
        k, the number of models scored.
    documents
        n.
    beta_ppm
        Chance that any of the k losses is off by more, in millionths.

    Source: III.D, "If the calculated MAE is within a certain range, an approval will be sent to the leader."
    """
    if documents <= 0 or models <= 0:
        return None
    # ln is in 1e-12 and a square root in 1e-6, so the units cancel without a factor.
    return isqrt(ln_pico(4 * models * PPM, beta_ppm) // (2 * documents)) + 1
