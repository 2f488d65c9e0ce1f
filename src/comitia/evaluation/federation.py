"""A federation in one process: what the providers of a session do together, without the session."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from comitia.learning.contract import Learner
from comitia.learning.global_model import GlobalModel
from comitia.learning.local_model import LocalModel
from comitia.privacy.noise import Noise
from comitia.privacy.released import Released
from comitia.privacy.shares import shared_out
from comitia.privacy.terms import PrivacyTerms
from comitia.text.codebook import Codebook

Share = tuple[NDArray[np.int32], NDArray[np.int64]]
"""Vectors and labels of one provider."""


def federate(
    learner: Learner,
    codebook: Codebook,
    shares: Sequence[Share],
    terms: PrivacyTerms,
    noise: Noise,
    *,
    rounds: int = 1,
    chain: bool = False,
) -> tuple[GlobalModel, list[Released[LocalModel]]]:
    """Train on all shares and combine, with every release accepted.

    Cf. Algorithm 1

    Parameters
    ----------
    terms : PrivacyTerms
        Of each provider, for all rounds together.
    rounds : int
        How often; of a chain, how often the turn comes round to each provider.
    chain : bool
        The providers train one after the other, each on the model that it receives, as the algorithm has it.

    Returns
    -------
    (GlobalModel, list of Released)
        The model, and all releases as they were made.
    """
    each = shared_out(terms, rounds)
    turns = [[share] for share in shares] if chain else [list(shares)]
    model: GlobalModel | None = None
    made: list[Released[LocalModel]] = []
    for turn in turns * rounds:
        releases = [learner.train(codebook, vectors, labels, each, noise, model) for vectors, labels in turn]
        model = learner.combine(codebook, releases, model)
        made += releases
    return model if model is not None else learner.combine(codebook, ()), made
