"""Fractions as whole numbers of a unit: what is signed and hashed holds no floats."""

from __future__ import annotations

from typing import Final

PPM: Final = 10**6
"""One, in millionths: losses, shares and scores."""

MICRO: Final = 10**6
"""One, in millionths: epsilon and z."""

PICO: Final = 10**12
"""One, in millionths of a millionth: delta, mu and logarithms."""
