"""What the federation is compared with: central learners without privacy, and the paper's mechanism as written.

Each takes training and query rows and returns scores, shape (queries, C); a category without training rows scores 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from comitia.core.extras import extra
from comitia.text.terms import TermMatrix

FloatArray = NDArray[np.float64]

LITERAL: Final = "paper_literal"
BOOSTING: Final = {"n_estimators": 40, "num_leaves": 15, "min_child_samples": 5, "n_jobs": 1, "verbose": -1}


def logistic_regression(rows: Any, labels: NDArray[np.int64], queries: Any, classes: int) -> FloatArray:
    """Central, not private: scikit-learn's logistic regression with C = 10 on term weights of length 1."""
    fitted = extra("sklearn.linear_model").LogisticRegression(C=10.0, max_iter=300).fit(rows, labels)
    return _placed(fitted.classes_, fitted.predict_proba(queries), classes)


def boosted_trees(rows: FloatArray, labels: NDArray[np.int64], queries: FloatArray, classes: int) -> FloatArray:
    """Central, not private: LightGBM."""
    known = np.unique(labels)
    if len(known) == 1:
        return _placed(known, np.ones((len(queries), 1)), classes)
    fitted = extra("lightgbm").LGBMClassifier(**BOOSTING).fit(rows, labels)
    return _placed(fitted.classes_, fitted.predict_proba(queries), classes)


def paper_literal(
    shares: Sequence[tuple[FloatArray, NDArray[np.int64]]],
    queries: FloatArray,
    classes: int,
    *,
    epsilon: float,
    generator: np.random.Generator,
) -> FloatArray:
    """The paper's mechanism as it stands: noise on the input vectors, a GBDT at each provider, the union's mean.

    Not private as written, since labels carry no noise and the noise is numpy's; so it makes no release and no session
    can be asked for it. Two vectors of length 1 differ by at most 2 sqrt(r) in the L1 norm.

    Cf. III.D.1 step 2
    """
    total = np.zeros((len(queries), classes))
    for vectors, labels in shares:
        noise = generator.laplace(scale=2.0 * vectors.shape[1] ** 0.5 / epsilon, size=vectors.shape)
        total += boosted_trees(vectors + noise, labels, queries, classes)
    return total / len(shares)


def sparse_matrix(matrix: TermMatrix) -> Any:
    """The matrix as scipy's CSR, float64."""
    parts = (matrix.values.astype(np.float64), matrix.columns, matrix.starts)
    return extra("scipy.sparse").csr_matrix(parts, shape=(len(matrix.starts) - 1, matrix.width))


def _placed(known: NDArray[np.int64], scores: FloatArray, classes: int) -> FloatArray:
    placed = np.zeros((len(scores), classes))
    placed[:, known] = scores
    return placed
