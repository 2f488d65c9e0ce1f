"""Whether a learner can release under given terms at all, told before anything is reserved or trained."""

from __future__ import annotations

from comitia.core.errors import InputError
from comitia.learning.contract import Learner
from comitia.privacy.mechanisms import gaussian_sigma_squared, laplace_scale
from comitia.privacy.terms import PrivacyTerms
from comitia.text.codebook import Codebook


def require_pure(learner: Learner, terms: PrivacyTerms) -> None:
    """Refuse pure terms for a learner that has no proof for them.

    Raises
    ------
    InputError
        `not-pure`.
    """
    if terms.pure and not learner.pure:
        raise InputError(
            f"learner {learner.name!r} has no proven variant with pure epsilon",
            code="not-pure",
            hint="give a delta, for instance 1e-5, or take another learner",
        )


def require_noise(learner: Learner, codebook: Codebook, terms: PrivacyTerms) -> None:
    """Refuse terms whose noise cannot be drawn.

    Raises
    ------
    InputError
        `not-pure`, or as the mechanisms: `noise-too-large`.
    """
    require_pure(learner, terms)
    if not terms.pure:
        gaussian_sigma_squared(learner.sensitivity_squared(codebook), terms)
    elif (bound := learner.l1_sensitivity(codebook)) is not None:
        laplace_scale(bound, terms)
