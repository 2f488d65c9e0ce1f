from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import cross_val_score
from sklearn.utils.estimator_checks import check_estimator

from comitia.core.errors import InputError
from comitia.evaluation.estimator import FederatedClassifier
from comitia.text.context_graph import ContextGraphVectorizer

WORDS = {
    "engine": "engine motor starter coolant piston fuel injector turbo belt filter",
    "hose": "hose pump valve leak seal cylinder pressure oil swivel fitting",
}
"""A word that is in every fifth text of a pool says nothing to a codebook, so there are many."""


def orders(count: int, seed: int) -> tuple[list[str], list[str]]:
    generator = np.random.Generator(np.random.PCG64(seed))
    labels = [str(label) for label in generator.choice(list(WORDS), count)]
    return [" ".join(generator.choice(WORDS[label].split(), 3)) for label in labels], labels


@pytest.mark.parametrize("estimator", [ContextGraphVectorizer(), FederatedClassifier()], ids=lambda e: type(e).__name__)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
def test_scikit_learn_accepts_it(estimator: object) -> None:
    check_estimator(estimator)
    assert clone(estimator).get_params() == estimator.get_params()  # type: ignore[attr-defined]


def test_a_federation_is_cross_validated_as_any_classifier() -> None:
    texts, labels = orders(300, 1)
    classifier = FederatedClassifier(orders(150, 2)[0], epsilon="4")
    assert cross_val_score(classifier, texts, labels, cv=3).min() > 0.8
    fitted = classifier.fit(texts, labels)
    np.testing.assert_allclose(fitted.predict_proba(texts[:5]).sum(axis=1), 1)
    assert fitted.classes_.tolist() == ["engine", "hose"]


def test_misuse_is_named() -> None:
    for wrong, code in (
        (lambda: FederatedClassifier().predict(["x"]), "not-fitted"),
        (lambda: FederatedClassifier().fit(["x"], []), "bad-labels"),
        (lambda: FederatedClassifier(epsilon="-1").fit(["x"], ["y"]), "bad-epsilon"),
        (lambda: FederatedClassifier().set_params(sigma=1), "unknown-parameter"),
    ):
        with pytest.raises(InputError) as caught:
            wrong()
        assert caught.value.code == code
