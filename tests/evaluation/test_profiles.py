"""Profiles measured and attacked on made-up documents; agreement of groups against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

from comitia.core.errors import InputError
from comitia.evaluation.clustering import agreement, measure_grouping
from comitia.evaluation.datasets import Corpus, together
from comitia.evaluation.retrieval.attacks import attack_profiles
from comitia.evaluation.retrieval.profiles import Setting, measure_profiles
from comitia.privacy.noise import SeededNoise
from comitia.text.categories import Category
from comitia.text.clustering import Distance
from comitia.text.documents import Document

TOPICS = {name: [f"{name}{n}" for n in range(12)] for name in ("alpha", "beta", "gamma", "delta", "omega")}


def corpus() -> Corpus:
    draw = np.random.default_rng(3)

    def documents(each: int) -> tuple[Document, ...]:
        return tuple(
            Document(text=" ".join(draw.choice(words, 22)), label=label)
            for label, words in TOPICS.items()
            for _ in range(each)
        )

    return Corpus(
        name="made up",
        categories=tuple(Category(label=label, name=words[0]) for label, words in TOPICS.items()),
        pool=tuple(document.text for document in documents(40)),
        private=documents(150),
        evaluated=documents(10),
    )


def test_providers_are_found_by_what_they_hold() -> None:
    setting = Setting(participants=60, documents=(60, 150), references=5, epsilons=("1",), queries=20)
    found = list(measure_profiles(corpus(), setting, seed=0, noise=SeededNoise(b"profiles")))
    assert [(one.query, one.check) for one in found] == [
        ("category", "none"), ("category", "noised"), ("text", "none"),
    ]  # fmt: skip
    assert found[0].recall > 0.7
    assert found[0].precision > 0.8
    assert found[1].precision >= found[0].precision
    assert found[2].recall > 0.8


def test_numbers_that_cannot_be() -> None:
    for setting in (Setting(participants=0), Setting(documents=(9, 3)), Setting(queries=-1)):
        with pytest.raises(InputError):
            list(measure_profiles(corpus(), setting, seed=0, noise=SeededNoise(b"")))


def test_a_profile_keeps_to_its_bound_and_the_usual_sketches_do_not() -> None:
    leaks = list(
        attack_profiles(
            corpus(), providers=8, documents=40, epsilons=("0.5", "2"), seed=0, noise=SeededNoise(b"attacks")
        )
    )
    hashed, minhash, nothing, low, high = leaks
    assert (hashed.terms_recovered, hashed.certain) == (1.0, True)
    assert hashed.guesses == 60, "every word there is, and no other"
    assert (minhash.terms_recovered, minhash.certain) > (0.8, False)
    assert (nothing.membership, nothing.certain) == (0.5, False)
    for profile in (low, high):
        # Three deviations of the mean of 8 providers times 80 draws.
        assert profile.membership <= profile.membership_bound + 3 * 0.5 / (8 * 80) ** 0.5
    assert low.membership < high.membership


def test_attacks_that_cannot_be_made() -> None:
    with pytest.raises(InputError):
        list(attack_profiles(corpus(), providers=0, documents=9, epsilons=("1",), seed=0, noise=SeededNoise(b"")))


groups = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=2, max_size=40)


@given(groups)
def test_agreement_is_that_of_scikit_learn(pairs: list[tuple[int, int]]) -> None:
    left, right = zip(*pairs, strict=True)
    found = agreement(left, right)
    assert found.nmi == pytest.approx(normalized_mutual_info_score(right, left), abs=1e-9)
    assert found.ari == pytest.approx(adjusted_rand_score(right, left), abs=1e-9)
    assert max(1 / 5, found.ari) - 1e-9 <= max(found.purity, found.ari) <= 1


def test_grouping_is_measured_on_labelled_documents() -> None:
    assert measure_grouping(corpus().private, distance=Distance.JACCARD, seed=0).purity > 0.75
    with pytest.raises(InputError):
        measure_grouping([Document(text="alpha1 beta2")], distance=Distance.COSINE, seed=0)


def test_data_sets_together() -> None:
    both = together("both", [corpus(), corpus()])
    assert len(both.private) == 2 * len(corpus().private)
