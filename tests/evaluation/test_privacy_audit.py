from __future__ import annotations

import numpy as np
import pytest

from comitia.core.errors import InputError
from comitia.evaluation.privacy_audit import Audited, audit_histograms, audit_learners, audited_codebook, lower_bound
from comitia.learning.registry import LEARNERS
from comitia.privacy.noise import SeededNoise
from comitia.privacy.terms import PrivacyTerms
from comitia.text.codebook import VectorKind


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
    book = audited_codebook(categories=12, rank=24, kind=kind)
    terms = PrivacyTerms.of("1", "1e-5")
    found = by_release(list(audit_learners(book, terms, noise=SeededNoise(b"audit"), seed=1)))
    assert {release for release, _ in found} == set(LEARNERS)
    for release in LEARNERS:
        kept = found[release, "none"]
        assert not kept.caught
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
    assert lower_bound(coins, np.ones(1000), delta=0) == 0
    assert lower_bound(coins, np.where(coins, 1.0, -1.0), delta=0) == pytest.approx(5.602, abs=0.002)
    with pytest.raises(InputError) as caught:
        lower_bound(coins, np.ones(3), delta=0)
    assert caught.value.code == "bad-canaries"
