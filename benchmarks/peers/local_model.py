"""What every peer's clients learn: logistic regression on hashed words, some passes a round.

A model is one array of float64, (classes, features + 1): weights, and the bias in the last column.
"""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.linear_model import LogisticRegression

FEATURES = 4096
PASSES = 5

Model = NDArray[np.float64]


def blank(classes: int) -> Model:
    return np.zeros((classes, FEATURES + 1))


def learn(model: Model, data: Path) -> tuple[Model, int]:
    """The model after `PASSES` over the documents in a file, and how many they are."""
    documents = json.loads(data.read_text(encoding="utf-8"))
    learner = LogisticRegression(max_iter=PASSES, C=10.0, warm_start=True)
    learner.classes_ = np.arange(len(model))
    learner.coef_, learner.intercept_ = model[:, :-1].copy(), model[:, -1].copy()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        learner.fit(HashingVectorizer(n_features=FEATURES).transform(documents["texts"]), documents["labels"])
    return np.column_stack([learner.coef_, learner.intercept_]), len(documents["labels"])


def scores(model: Model, texts: list[str]) -> NDArray[np.float64]:
    """(documents, classes): the higher, the likelier."""
    found: NDArray[np.float64] = HashingVectorizer(n_features=FEATURES).transform(texts) @ model[:, :-1].T
    return found + model[:, -1]
