"""Who leads: the weighted mean absolute error of Eq. (7), and the order it puts a committee in."""

from __future__ import annotations

from collections.abc import Mapping, Set
from fractions import Fraction

from comitia.consensus.committee import lot
from comitia.core.ids import NodeId

WITNESS_STANDING = 2
"""Witnesses lead only after every author whose model was accepted or could not be judged."""


def weighted_mae(losses_ppm: Mapping[NodeId, int], rows: Mapping[NodeId, int], kappa: int) -> dict[NodeId, Fraction]:
    """MAE^u of every model, in millionths, exact.

    kappa = -1 is Eq. (7) to the letter, gamma * MAE(m_j) + mean MAE with gamma = 1 + s_j. There the lowest
    leads although gamma grows with the contribution, so big contributors lose. kappa = +1 puts that right:
    (MAE(m_j) + mean MAE) / (1 + s_j); the mean is inside so that contribution counts even where a loss is 0.
    kappa = 0 leaves rows out. For +1 the share is capped at 2/n, because rows are declared, not proven. Where gains
    were measured they stand for rows; the cap holds for them too, since a release scaled up gains more.

    Parameters
    ----------
    losses_ppm
        MAE(m_i) of every model, 0 to 10**6.
    rows
        Declared rows, or measured gains, of the models that are used. The mean is theirs, and other models have
        share 0: a rejected model's claims change nothing for the rest.
    kappa
        +1, 0 or -1.

    Source: Eq. (7)
    """
    total = sum(rows.values())
    mean = Fraction(sum(losses_ppm[author] for author in rows), max(1, len(rows)))
    share = {author: Fraction(rows.get(author, 0), max(1, total)) for author in losses_ppm}
    if kappa == -1:
        return {author: (1 + share[author]) * loss + mean for author, loss in losses_ppm.items()}
    if kappa == 0:
        return {author: loss + mean for author, loss in losses_ppm.items()}
    cap = Fraction(2, max(1, len(rows)))
    return {author: (loss + mean) / (1 + min(share[author], cap)) for author, loss in losses_ppm.items()}


def rank(
    weighted: Mapping[NodeId, Fraction], standing: Mapping[NodeId, int], witnesses: Set[NodeId], beacon: bytes
) -> tuple[NodeId, ...]:
    """Every author and witness once, best first.

    By standing, then lowest MAE^u, then lowest lot. Witnesses and authors of rejected models come last but
    do come: what a block contains is fixed, so whoever is left may seal it, and a session outlives any
    number of silent leaders that a quorum outlives.

    Source: III.D, "the committee node with the lowest MAE^u at that time will be elected as the committee
    leader through MAE-based voting"
    """
    places = {author: (standing[author], mae) for author, mae in weighted.items()}
    places |= {witness: (WITNESS_STANDING, Fraction(0)) for witness in witnesses if witness not in places}
    return tuple(sorted(places, key=lambda node: (*places[node], lot(beacon, node), node)))
