"""Natural logarithms of rationals in integer arithmetic, for thresholds that all machines must share."""

from __future__ import annotations

from functools import cache

from comitia.core.units import PICO

_BITS = 96
"""Binary places carried; rounding costs under 2**-89, far below the twelfth decimal."""


@cache
def ln_pico(numerator: int, denominator: int = 1) -> int:
    """ln(numerator / denominator) in units of 1e-12, rounded down; both must be positive.

    The ratio is brought to m * 2**e with 1 <= m < 2; then ln m = 2 artanh((m - 1) / (m + 1)), whose series
    gains three bits or more per term.
    """
    exponent = numerator.bit_length() - denominator.bit_length()
    if numerator << max(0, -exponent) < denominator << max(0, exponent):
        exponent -= 1
    numerator <<= max(0, -exponent)
    denominator <<= max(0, exponent)
    mantissa = _artanh(numerator - denominator, numerator + denominator)
    return 2 * (exponent * _artanh(1, 3) + mantissa) * PICO >> _BITS


def _artanh(numerator: int, denominator: int) -> int:
    """artanh of a ratio in [0, 1/3], scaled by 2**_BITS."""
    power = (numerator << _BITS) // denominator
    square = power * power >> _BITS
    total, odd = 0, 1
    while power:
        total += power // odd
        power = power * square >> _BITS
        odd += 2
    return total
