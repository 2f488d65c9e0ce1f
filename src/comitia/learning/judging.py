"""What a release is judged by: figures that everybody computes alike, free of budget."""

from __future__ import annotations

from dataclasses import dataclass

from comitia.learning.energy import Energy, energy
from comitia.learning.local_model import LocalModel
from comitia.learning.reference import reference_loss_ppm
from comitia.learning.signal import Signal, signal
from comitia.privacy.released import Released
from comitia.text.codebook import Codebook


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """Exact figures of one release.

    Attributes
    ----------
    signal : Signal or None
        None where nothing public speaks to this kind of release.
    energy : Energy or None
        None where the release is not of class sums.
    reference_loss_ppm : int or None
        Loss on the public reference documents, in millionths; None where there are none.
    """

    signal: Signal | None = None
    energy: Energy | None = None
    reference_loss_ppm: int | None = None


def judge_class_sums(codebook: Codebook, release: Released[LocalModel]) -> Judged:
    """Figures of noised class sums."""
    return Judged(
        signal=signal(codebook, release),
        energy=energy(codebook, release),
        reference_loss_ppm=reference_loss_ppm(codebook, release),
    )
