"""The mechanisms: private integers in, noised integers with a receipt out.

Source: III.D.1 step 3
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from comitia.core.errors import InputError
from comitia.core.units import MICRO
from comitia.privacy.gdp import mu_from
from comitia.privacy.noise import Noise
from comitia.privacy.receipt import MAX_GRID_BITS, Mechanism, Receipt, digest_of, least_sigma_squared
from comitia.privacy.released import _MINT, Released, frozen
from comitia.privacy.samplers import MAX_SCALE, MAX_SIGMA_SQUARED, IntArray
from comitia.privacy.terms import NEIGHBOURS, PrivacyTerms, Unit

VALUE_LIMIT = 1 << 61
"""Private values must lie strictly between plus and minus this, so that noise below 2^61 never makes them
wrap."""


def gaussian(
    values: IntArray,
    *,
    l2_sensitivity_squared: int | Fraction,
    terms: PrivacyTerms,
    noise: Noise,
    grid_bits: int = 0,
) -> Released[IntArray]:
    """Release integers with discrete Gaussian noise of sigma^2 = ceil(sensitivity^2/mu^2) + 16 on every
    coordinate.

    mu is the largest whose mu-GDP implies the terms, so noise is that of the analytic Gaussian mechanism
    but for the 16, which is less than a millionth of sigma^2 once sigma passes 4000 grid steps (a grid of
    2^12 and sigma 1).

    Why the discrete noise gives the continuous one's guarantee (t = 16, e(x, s) = exp(-x^2 / 2s), c the
    private value):

    1. *Poisson summation*: for s >= t and any real g, the sum of e(k - g, s) over the integers k is sqrt(2
       pi s)·(1 + h) with abs(h) <= H = 2 (exp(-2 pi^2 t) + exp(-8 pi^2 t) + ...) < 2^-453.
    2. Take continuous Gaussian noise of variance s - t on c, giving g, and round it at random: to the
       integer x with probability e(x - g, t) / sum over k of e(k - g, t). By 1 the denominator is the
       constant sqrt(2 pi t) up to 1 + h. The integral over g of the two Gaussians is the Gaussian of
       variance s. So x falls on each integer with probability e(x - c, s)/sqrt(2 pi s) up to a factor in
       [1/(1 + H), 1/(1 - H)].
    3. The discrete Gaussian has probability e(x - c, s) / sum over k of e(k, s): by 1 the same up to 1/(1 +
       h). Hence the release is, outcome by outcome and up to a factor within exp(+-z), z = 3 H n for n
       coordinates, a post-processing of the continuous Gaussian mechanism of variance s - t >=
       sensitivity^2/mu^2, which is mu-GDP.
    4. Any K releases, chosen adaptively, are so up to exp(+-K z). If the continuous ones are (epsilon,
       delta')-private together, these are (epsilon + 2Kz, exp(Kz) delta'), hence (epsilon, delta)-private
       with delta <= exp(Kz) delta' + (exp(2Kz) - 1) exp(epsilon). For K n <= 2^80, epsilon <= 64 that is
       delta' + 2^-270 at most; `mu_from` and `epsilon_from` aim at delta' = (1 - 1e-18) delta, and delta >=
       1e-12. A sampler's `OverflowError` (below 2^-700 a draw) ends without an outcome and fits in the same
       gap.

    Parameters
    ----------
    values : int64 array, any shape, not empty
        Private values in grid steps, magnitudes below `VALUE_LIMIT`.
    l2_sensitivity_squared : int or Fraction
        The square of the most that replacing *one document* moves `values` in the L2 norm, in squared grid
        steps, with the rounding to the grid counted in; above 0. For unit `Unit.USER` replacing a user is
        replacing at most `records_per_user` documents one after the other, so by the triangle inequality
        the L2 sensitivity is that many times as large; this function multiplies.
    terms : PrivacyTerms
        The guarantee; delta above 0.
    noise : Noise
        `SystemNoise()` outside simulations.
    grid_bits : int
        The value 1.0 is 2^grid_bits grid steps, 0 .. 30. Goes on the receipt.

    Returns
    -------
    Released[int64 array]
        Same shape.

    Raises
    ------
    InputError
        `bad-values`, `bad-sensitivity`, `bad-delta`, or `noise-too-large` where sigma would pass 2^22 grid
        steps.
    """
    _check_values(values, grid_bits)
    sensitivity = _exact(l2_sensitivity_squared) * terms.records_per_user**2
    sigma_squared = gaussian_sigma_squared(l2_sensitivity_squared, terms)
    drawn = noise.discrete_gaussian(sigma_squared=sigma_squared, size=values.size)
    return _release(values, drawn, Mechanism.GAUSSIAN, sensitivity, sigma_squared, terms, noise, grid_bits)


def gaussian_sigma_squared(l2_sensitivity_squared: int | Fraction, terms: PrivacyTerms) -> int:
    """Return the sigma^2 that `gaussian` draws with; for whoever must know before training that it can.

    Raises
    ------
    InputError
        `bad-sensitivity`, `bad-delta` or `noise-too-large`, as `gaussian`.
    """
    sensitivity = _exact(l2_sensitivity_squared) * terms.records_per_user**2
    sigma_squared = least_sigma_squared(sensitivity, mu_from(terms.epsilon_micro, terms.delta_pico))
    if sigma_squared > MAX_SIGMA_SQUARED:
        raise InputError(
            f"this epsilon needs noise of {sigma_squared} squared grid steps, at most 2^44 can be drawn",
            code="noise-too-large",
            hint="ask for a larger epsilon, or release on a coarser grid",
            sigma_squared=sigma_squared,
        )
    return sigma_squared


def laplace(
    values: IntArray,
    *,
    l1_sensitivity: int | Fraction,
    terms: PrivacyTerms,
    noise: Noise,
    grid_bits: int = 0,
) -> Released[IntArray]:
    """Release integers with discrete Laplace noise of scale s/epsilon on every coordinate.

    Source: Eq. (4)

    Proof: with the scale s/epsilon an exact fraction, moving the values by integers d with |d|_1 <= s
    changes the probability of any outcome by a factor of at most exp(|d|_1·epsilon/s) <= exp(epsilon). No
    rounding, no delta.

    Parameters
    ----------
    values : int64 array, any shape, not empty
        Private values in grid steps, magnitudes below `VALUE_LIMIT`.
    l1_sensitivity : int or Fraction
        Source: Eq. (5). The most that replacing *one document* moves `values` in the L1 norm, in grid
        steps; above 0. A histogram has 2: one bin down, another up. Multiplied by `records_per_user` for
        unit `Unit.USER`.
    terms : PrivacyTerms
        The guarantee; delta must be 0.
    noise, grid_bits
        As for `gaussian`.

    Returns
    -------
    Released[int64 array]
        Same shape.

    Raises
    ------
    InputError
        `bad-values`, `bad-sensitivity`, `bad-delta`, or `noise-too-large` where the scale, in lowest terms,
        has a numerator or denominator above 2^52.
    """
    _check_values(values, grid_bits)
    if not terms.pure:
        raise InputError("Laplace noise is pure: its delta is 0", code="bad-delta", delta_pico=terms.delta_pico)
    sensitivity = _exact(l1_sensitivity) * terms.records_per_user
    scale = laplace_scale(l1_sensitivity, terms)
    drawn = noise.discrete_laplace(
        scale_numerator=scale.numerator, scale_denominator=scale.denominator, size=values.size
    )
    return _release(values, drawn, Mechanism.LAPLACE, sensitivity, 0, terms, noise, grid_bits)


def laplace_scale(l1_sensitivity: int | Fraction, terms: PrivacyTerms) -> Fraction:
    """Return the scale that `laplace` draws with; for whoever must know before training that it can.

    Raises
    ------
    InputError
        `bad-sensitivity` or `noise-too-large`, as `laplace`.
    """
    scale = _exact(l1_sensitivity) * terms.records_per_user * MICRO / terms.epsilon_micro
    if max(scale.numerator, scale.denominator) > MAX_SCALE:
        raise InputError(
            f"noise of scale {scale} cannot be drawn: numerator and denominator may be 2^52 at most",
            code="noise-too-large",
            hint="ask for a larger epsilon, or one with fewer decimals",
            scale=str(scale),
        )
    return scale


def _check_values(values: IntArray, grid_bits: int) -> None:
    """Refuse what is not a non-empty array of 64-bit integers of bounded size."""
    if not isinstance(values, np.ndarray) or values.dtype != np.int64 or values.size == 0:
        raise InputError("a mechanism takes a non-empty array of 64-bit integers", code="bad-values")
    if values.max() >= VALUE_LIMIT or values.min() <= -VALUE_LIMIT:
        raise InputError("a private value is 2^61 or more in magnitude", code="bad-values")
    if not 0 <= grid_bits <= MAX_GRID_BITS:
        raise InputError(f"grid bits must lie in 0 .. {MAX_GRID_BITS}, they are {grid_bits}", code="bad-values")


def _exact(sensitivity: int | Fraction) -> Fraction:
    """Return a positive exact sensitivity; a float has been rounded somewhere and is refused."""
    if isinstance(sensitivity, bool) or not isinstance(sensitivity, int | Fraction) or sensitivity <= 0:
        raise InputError(
            f"a sensitivity is an integer or Fraction above 0, not {sensitivity!r}",
            code="bad-sensitivity",
            sensitivity=str(sensitivity),
        )
    return Fraction(sensitivity)


def _release(
    values: IntArray,
    drawn: IntArray,
    mechanism: Mechanism,
    sensitivity: Fraction,
    sigma_squared: int,
    terms: PrivacyTerms,
    noise: Noise,
    grid_bits: int,
) -> Released[IntArray]:
    released = frozen(values + drawn.reshape(values.shape))
    receipt = Receipt(
        mechanism=mechanism,
        epsilon_micro=terms.epsilon_micro,
        delta_pico=terms.delta_pico,
        unit=Unit(terms.unit),
        records_per_user=terms.records_per_user,
        neighbours=NEIGHBOURS,
        sensitivity_numerator=sensitivity.numerator,
        sensitivity_denominator=sensitivity.denominator,
        sigma_squared=sigma_squared,
        grid_bits=grid_bits,
        trusted_noise=noise.trusted,
        digest=digest_of(released),
    )
    return Released(released, receipt, mint=_MINT)
