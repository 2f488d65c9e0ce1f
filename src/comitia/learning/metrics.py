"""How good predictions are: mean absolute error, accuracy, area under the ROC curve."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from comitia.core.errors import InputError


def mae(true_values: ArrayLike, predictions: ArrayLike) -> float:
    """Mean absolute error of a model's predictions f(x_i) against the true values y_i.

    Source: Eq. (6)

    Parameters
    ----------
    true_values, predictions : array-like of numbers, shape (n,), n >= 1

    Returns
    -------
    float
        1/n times the sum of |y_i - f(x_i)|, in the unit of the values. Lower is better.

    Raises
    ------
    InputError
        No values, lengths that differ, or a value that is not finite.
    """
    true, predicted = _paired(true_values, predictions)
    return float(np.abs(true - predicted).mean())


def accuracy(true_labels: ArrayLike, predicted_labels: ArrayLike) -> float:
    """Fraction of correctly classified records, 0 to 1. With a loss of 1 for each error it is 1 - MAE (cf. Eq. (6))."""
    true, predicted = np.asarray(true_labels), np.asarray(predicted_labels)
    _require_pairs(true, predicted)
    return float((true == predicted).mean())


def auc_by_class(true_labels: ArrayLike, scores: ArrayLike) -> NDArray[np.float64]:
    """Area under the ROC curve of each class against the rest; tied scores count half.

    Parameters
    ----------
    true_labels : array-like of int, shape (n,)
        0 <= label < C.
    scores : array-like of float, shape (n, C)
        The higher, the more a document belongs to the class. Compared within a column only.

    Returns
    -------
    float64 array, shape (C,)
        NaN for a class that no document, or every document, has: it has no curve.
    """
    true, columns = np.asarray(true_labels), np.asarray(scores, dtype=np.float64)
    _require_pairs(true, columns)
    if columns.ndim != 2:
        raise InputError("AUC needs one column of scores a class", code="bad-shape", shape=list(columns.shape))
    return np.array([auc(true == label, column) for label, column in enumerate(columns.T)])


def macro_auc(true_labels: ArrayLike, scores: ArrayLike) -> float:
    """Mean of `auc_by_class` over the classes that have a curve; NaN if none has."""
    areas = auc_by_class(true_labels, scores)
    areas = areas[~np.isnan(areas)]
    return float(areas.mean()) if areas.size else float("nan")


def auc(positive: NDArray[np.bool_], scores: NDArray[np.float64]) -> float:
    """Area under the ROC curve of one class, both of shape (n,); NaN without a positive or a negative.

    Mann-Whitney: the chance that a positive outranks a negative, from the positives' average ranks.
    """
    positives = int(positive.sum())
    negatives = positive.size - positives
    if not positives or not negatives:
        return float("nan")
    _, place, ties = np.unique(scores, return_inverse=True, return_counts=True)
    rank = (np.cumsum(ties) - (ties - 1) / 2)[place]
    wins = rank[positive].sum() - positives * (positives + 1) / 2
    return float(wins / (positives * negatives))


def _paired(left: ArrayLike, right: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    first, second = np.asarray(left, dtype=np.float64), np.asarray(right, dtype=np.float64)
    _require_pairs(first, second)
    if not (np.isfinite(first).all() and np.isfinite(second).all()):
        raise InputError("a value is not a finite number", code="not-finite", hint="remove NaN and infinities")
    return first, second


def _require_pairs(true: NDArray[np.generic], predicted: NDArray[np.generic]) -> None:
    if true.ndim != 1 or predicted.ndim < 1 or len(true) != len(predicted):
        raise InputError(
            f"{len(true) if true.ndim else 0} true values for {len(predicted) if predicted.ndim else 0} predictions",
            code="bad-shape",
        )
    if not len(true):
        raise InputError("there is nothing to measure: no documents", code="no-documents")
