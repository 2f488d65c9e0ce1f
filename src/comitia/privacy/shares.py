"""One guarantee shared out among several releases that compose to it."""

from __future__ import annotations

from dataclasses import replace

from comitia.core.errors import InputError
from comitia.privacy.gdp import largest_epsilon, mu_from
from comitia.privacy.terms import PrivacyTerms


def shared_out(terms: PrivacyTerms, releases: int) -> PrivacyTerms:
    """Terms of each of so many releases, so that all together keep to `terms`.

    Proof. With mu that of the terms and each release's mu_1 such that mu_1² releases <= mu², which is checked in
    integers, the squares add up to mu² at most, and mu-GDP implies the terms. A pure guarantee divides by the number.

    Raises
    ------
    InputError
        `bad-epsilon`: nothing is left for each.
    """
    if releases == 1:
        return terms
    if terms.delta_pico == 0:
        return replace(terms, epsilon_micro=terms.epsilon_micro // releases)
    room = mu_from(terms.epsilon_micro, terms.delta_pico) ** 2 // releases
    epsilon = largest_epsilon(room, terms.delta_pico)
    if epsilon < 1:
        raise InputError(
            f"epsilon {terms.epsilon_micro} millionths is too little for {releases} releases", code="bad-epsilon"
        )
    return replace(terms, epsilon_micro=epsilon)
