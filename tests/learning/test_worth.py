from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from made_up_consortium import Consortium

from comitia.learning.prototype import Prototype
from comitia.learning.registry import LEARNERS
from comitia.learning.worth import CHANCE, ENOUGH, effective_references, profile_counts, public_auc, worth
from comitia.privacy.terms import PrivacyTerms

PROTOTYPE = Prototype()
MANY = np.full((3, 4), 1000.0)


def terms(epsilon: str) -> PrivacyTerms:
    return PrivacyTerms.of(epsilon, "1e-5")


def test_more_documents_and_less_noise_are_worth_more(lsa: Consortium) -> None:
    book = lsa.codebook
    low, high = (effective_references(book, MANY, terms(epsilon)) for epsilon in ("0.5", "4"))
    few = effective_references(book, MANY / 100, terms("4"))
    assert (low > 0).all()
    assert (low < high).all()
    assert (few < high).all()
    assert (high <= MANY.sum(axis=0)).all()


def test_negative_counts_of_a_noisy_profile_are_no_documents(lsa: Consortium) -> None:
    assert not effective_references(lsa.codebook, -MANY, terms("1")).any()


def test_a_category_that_nobody_knows_gains_the_most(lsa: Consortium) -> None:
    told = worth(lsa.codebook, PROTOTYPE, MANY, terms("4"), public_auc=0.8)
    assert told.public[3] == 0 < min(told.public[:3])
    assert told.gain is not None
    assert 0 < told.gain[0] < told.gain[1] <= 0.2
    assert told.sentence.startswith("Sharing may add")


def test_plain_words_where_public_knowledge_is_enough(lsa: Consortium) -> None:
    assert worth(lsa.codebook, PROTOTYPE, MANY, terms("4"), public_auc=0.999).sentence.startswith("Public knowledge is")
    nobody = worth(lsa.codebook, PROTOTYPE, np.zeros((0, 4)), terms("4"), public_auc=0.8)
    assert nobody.gain == (0, 0)
    assert "not known" in worth(lsa.codebook, PROTOTYPE, MANY, terms("1"), public_auc=None).sentence


@pytest.mark.parametrize("name", ["gbdt", "forest", "tree", "prototype"])
def test_learners_of_the_same_sums_gain_within_the_same_bounds(name: str, lsa: Consortium) -> None:
    told = worth(lsa.codebook, LEARNERS[name], MANY, terms("4"), public_auc=0.8)
    assert told.gain == worth(lsa.codebook, PROTOTYPE, MANY, terms("4"), public_auc=0.8).gain is not None


def test_of_gradients_no_gain_is_foretold(lsa: Consortium) -> None:
    told = worth(lsa.codebook, LEARNERS["softmax"], MANY, terms("4"), public_auc=0.8)
    assert told.gain is None
    assert told.shared == worth(lsa.codebook, PROTOTYPE, MANY, terms("4"), public_auc=0.8).shared
    assert told.sentence.startswith("What this learner adds to an AUC of 0.800 is not foretold; class sums")


def test_public_auc_comes_from_codebook_or_references(lsa: Consortium, without_references: Consortium) -> None:
    measured = public_auc(lsa.codebook, PROTOTYPE)
    assert measured is not None
    assert 0.5 < measured <= 1
    assert public_auc(replace(lsa.codebook, public_only_auc_ppm=870_000), PROTOTYPE) == pytest.approx(0.87)
    assert public_auc(without_references.codebook, PROTOTYPE) is None


def test_a_category_that_nobody_knows_counts_as_chance(lsa: Consortium) -> None:
    """Public knowledge may be perfect on the others: it is not enough where one is left out."""
    book = lsa.codebook
    told = public_auc(book, PROTOTYPE)
    names = book.name_vectors.copy()
    names[3] = names[0]
    named = public_auc(replace(book, name_vectors=names), PROTOTYPE)
    assert told is not None
    assert named is not None
    assert told <= (3 + CHANCE) / 4 < named
    gain = worth(book, PROTOTYPE, MANY, terms("4"), public_auc=told).gain
    assert gain is not None
    assert gain[1] > ENOUGH


def test_profiles_count_by_named_leaves() -> None:
    counts = profile_counts(["a", "", "a", "b"], [(3, 9, 4, -1), (0, 0, 1, 2)], ["b", "a", "opaque"])
    assert counts.tolist() == [[-1, 7, 0], [2, 1, 0]]
    assert profile_counts(["a"], [], ["a"]).shape == (0, 1)
