"""Where noise comes from: the operating system's generator, or for the simulator a seed."""

from __future__ import annotations

import hashlib
import secrets
from typing import Protocol

import numpy as np

from comitia.privacy import samplers
from comitia.privacy.samplers import IntArray, WordArray


class Noise(Protocol):
    """Draws exact discrete noise. Laws and limits of the arguments: `comitia.privacy.samplers`."""

    @property
    def trusted(self) -> bool:
        """Whether nobody can foretell the noise. Receipts carry it; a node refuses to release what is not
        trusted."""
        ...

    def discrete_gaussian(self, *, sigma_squared: int, size: int) -> IntArray:
        """Draw `size` integers proportional to exp(-y^2 / (2·sigma_squared))."""
        ...

    def discrete_laplace(self, *, scale_numerator: int, scale_denominator: int, size: int) -> IntArray:
        """Draw `size` integers proportional to exp(-abs(y)·scale_denominator/scale_numerator)."""
        ...


class SystemNoise:
    """Noise from the operating system's cryptographic generator. Holds no state; safe across threads and
    forks."""

    trusted = True

    def _words(self, count: int) -> WordArray:
        return np.frombuffer(bytearray(secrets.token_bytes(8 * count)), dtype="<u8")

    def discrete_gaussian(self, *, sigma_squared: int, size: int) -> IntArray:
        """See `Noise.discrete_gaussian`."""
        return samplers.discrete_gaussian(self._words, sigma_squared=sigma_squared, size=size)

    def discrete_laplace(self, *, scale_numerator: int, scale_denominator: int, size: int) -> IntArray:
        """See `Noise.discrete_laplace`."""
        return samplers.discrete_laplace(
            self._words, scale_numerator=scale_numerator, scale_denominator=scale_denominator, size=size
        )


class SeededNoise:
    """The same noise from a seed, for simulator and tests only: whoever knows the seed can take the noise
    off.

    The stream is SHAKE-256 of seed and block counter, so equal seeds and equal calls give equal noise on
    every processor and version of Python.

    Parameters
    ----------
    seed : bytes
        Any length.
    """

    trusted = False

    def __init__(self, seed: bytes) -> None:
        self._prefix = hashlib.sha256(b"comitia/seeded-noise/1" + seed).digest()
        self._blocks = 0

    def _words(self, count: int) -> WordArray:
        block = hashlib.shake_256(self._prefix + self._blocks.to_bytes(8, "big")).digest(8 * count)
        self._blocks += 1
        return np.frombuffer(bytearray(block), dtype="<u8")

    def discrete_gaussian(self, *, sigma_squared: int, size: int) -> IntArray:
        """See `Noise.discrete_gaussian`."""
        return samplers.discrete_gaussian(self._words, sigma_squared=sigma_squared, size=size)

    def discrete_laplace(self, *, scale_numerator: int, scale_denominator: int, size: int) -> IntArray:
        """See `Noise.discrete_laplace`."""
        return samplers.discrete_laplace(
            self._words, scale_numerator=scale_numerator, scale_denominator=scale_denominator, size=size
        )
