from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from comitia.learning import logistic


@pytest.mark.parametrize(("rows", "rank", "classes"), [(26, 200, 8), (120, 30, 5), (6, 3, 3)])
def test_agrees_with_scikit_learn(rows: int, rank: int, classes: int) -> None:
    generator = np.random.Generator(np.random.PCG64(rows))
    labels = np.arange(rows) % classes
    points = generator.normal(size=(rows, rank)) + 2 * generator.normal(size=(classes, rank))[labels]
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    weights = generator.uniform(0.5, 30, rows)
    oracle = LogisticRegression(C=10.0, max_iter=5000, tol=1e-8).fit(points, labels, sample_weight=weights)
    fitted, intercepts = logistic.fit(points, labels, weights, classes=classes, inverse_penalty=10.0)
    queries = generator.normal(size=(50, rank))
    queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    mine = logistic.log_softmax(queries @ fitted.T + intercepts)
    np.testing.assert_allclose(mine, oracle.predict_log_proba(queries), atol=0.01)


def test_one_class_alone_has_probability_one() -> None:
    fitted, intercepts = logistic.fit(
        np.ones((2, 3)), np.zeros(2, dtype=np.int64), np.ones(2), classes=1, inverse_penalty=10.0
    )
    assert logistic.log_softmax(np.ones((4, 3)) @ fitted.T + intercepts).tolist() == [[0.0]] * 4
