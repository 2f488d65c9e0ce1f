from __future__ import annotations

import numpy as np
import pytest

from comitia.core.errors import InputError
from comitia.evaluation.privacy_audit import Audited, audit_histograms, audit_learners, audited_codebook, lower_bound
from comitia.learning.registry import LEARNERS
from comitia.privacy.noise import SeededNoise
from comitia.privacy.terms import PrivacyTerms
from comitia.text.vectors import VectorKind


def by_release(cases: list[Audited]) -> dict[tuple[str, str], Audited]:
    return {(case.release, case.control): case for case in cases}


def test_histograms_keep_their_promise_and_weakened_noise_is_caught() -> None:
    terms = PrivacyTerms.of("2", "0")
    found = by_release(list(audit_histograms(2048, terms, noise=SeededNoise(b"audit"), seed=1)))
    for release in ("profile", "self-check"):
        assert not found[release, "none"].caught
        assert found[release, "halved"].caught
        assert found[release, "off"].caught


@pytest.mark.parametrize("kind", list(VectorKind))
def test_every_learner_keeps_its_promise_and_is_caught_without_noise(kind: VectorKind) -> None:
    """Seeds are fixed: of audits with so few canaries one in twenty may call a kept promise broken."""
    book = audited_codebook(categories=12, rank=64, kind=kind)
    terms = PrivacyTerms.of("1", "1e-5")
    found = by_release(list(audit_learners(book, terms, noise=SeededNoise(b"audit"), seed=2)))
    audited = {release for release, _ in found}
    assert audited == set(LEARNERS) - ({"softmax"} if kind is VectorKind.TF else set())
    for release in audited:
        kept = found[release, "none"]
        assert not kept.caught
        assert kept.rounds == LEARNERS[release].rounds
        assert kept.membership_auc is not None
        assert kept.membership_auc <= kept.bound
        assert found[release, "off"].caught


def test_halved_noise_of_the_sums_is_caught() -> None:
    book = audited_codebook(categories=100, rank=128)
    terms = PrivacyTerms.of("2", "1e-5")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("comitia.evaluation.privacy_audit.LEARNERS", {"prototype": LEARNERS["prototype"]})
        found = by_release(list(audit_learners(book, terms, noise=SeededNoise(b"audit"), seed=1)))
    assert found["prototype", "halved"].caught
    assert not found["prototype", "none"].caught


def test_guessing_blindly_refutes_nothing_and_knowing_all_refutes_much() -> None:
    coins = np.arange(1000) % 2 == 0
    assert lower_bound(coins, np.ones(1000), delta=0, guesses=1000) == 0
    # .05 is the 1000th power of e^5.809 / (1 + e^5.809)
    assert lower_bound(coins, np.where(coins, 1.0, -1.0), delta=0, guesses=1000) == pytest.approx(5.809, abs=0.002)


@pytest.mark.parametrize(("scores", "guesses"), [(3, 3), (1000, 0), (1000, 1001)])
def test_guesses_that_do_not_fit_the_canaries_are_refused(scores: int, guesses: int) -> None:
    with pytest.raises(InputError) as caught:
        lower_bound(np.zeros(1000, dtype=np.bool_), np.ones(scores), delta=0, guesses=guesses)
    assert caught.value.code == "bad-canaries"
