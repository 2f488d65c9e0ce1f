"""Federations in process: rounds, chain, and the literal paper as a baseline that no session can be asked for."""

from __future__ import annotations

import numpy as np
import pytest
from made_up_consortium import Consortium, make_opaque

from comitia.core.errors import InputError
from comitia.evaluation.baselines import LITERAL, paper_literal
from comitia.evaluation.federation import Share, federate
from comitia.learning.metrics import macro_auc
from comitia.learning.registry import LEARNERS, learner
from comitia.privacy.noise import SeededNoise
from comitia.privacy.terms import PrivacyTerms


@pytest.fixture(scope="module")
def opaque() -> Consortium:
    return make_opaque()


def shares(consortium: Consortium) -> list[Share]:
    return [(consortium.vectors[start::3], consortium.labels[start::3]) for start in range(3)]


@pytest.mark.parametrize("chain", [False, True])
def test_gradients_learn_in_rounds_and_in_a_chain(opaque: Consortium, chain: bool) -> None:
    terms = PrivacyTerms.of("8", "1e-5")
    model, made = federate(
        LEARNERS["softmax"], opaque.codebook, shares(opaque), terms, SeededNoise(b"f"), rounds=2, chain=chain
    )
    assert macro_auc(opaque.labels, model.log_scores(opaque.vectors)) > 0.85
    assert len(made) == 6


def test_equal_noise_makes_equal_models(opaque: Consortium) -> None:
    terms = PrivacyTerms.of("1", "1e-5")
    one, _ = federate(LEARNERS["prototype"], opaque.codebook, shares(opaque), terms, SeededNoise(b"f"))
    again, _ = federate(LEARNERS["prototype"], opaque.codebook, shares(opaque), terms, SeededNoise(b"f"))
    assert one.digest == again.digest


def test_the_literal_mechanism_learns_nothing_and_is_no_learner(opaque: Consortium) -> None:
    """III.D.1 step 2 as it stands: noise that protects every coordinate of every vector drowns all of them."""
    generator = np.random.Generator(np.random.PCG64(1))
    one = float(1 << opaque.codebook.grid_bits)
    parts = [(vectors / one, labels) for vectors, labels in shares(opaque)]

    def area(epsilon: float) -> float:
        scores = paper_literal(
            parts, opaque.vectors / one, len(opaque.codebook.labels), epsilon=epsilon, generator=generator
        )
        return macro_auc(opaque.labels, scores)

    assert np.mean([area(0.1) for _ in range(4)]) == pytest.approx(0.5, abs=0.1)
    assert area(1e9) > 0.9
    with pytest.raises(InputError):
        learner(LITERAL)
