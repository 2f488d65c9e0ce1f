from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from comitia.core.errors import InputError
from comitia.learning.metrics import accuracy, auc_by_class, macro_auc, mae


def test_mae_is_the_mean_distance() -> None:
    assert mae([1, 2, 3], [1, 4, 0]) == pytest.approx(5 / 3)


def test_one_minus_accuracy_is_the_mae_of_zero_one_losses() -> None:
    true, predicted = [0, 1, 2, 2], [0, 2, 2, 1]
    losses = [int(a != b) for a, b in zip(true, predicted, strict=True)]
    assert 1 - accuracy(true, predicted) == mae(np.zeros(4), losses)


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 5)), min_size=2, max_size=60))
def test_auc_agrees_with_scikit_learn_ties_included(rows: list[tuple[int, int]]) -> None:
    labels, column = np.array(rows).T
    areas = auc_by_class(labels, np.stack([column, -column, column], axis=1).astype(float))
    for label, sign in enumerate((1, -1, 1)):
        if 0 < (labels == label).sum() < len(labels):
            assert areas[label] == pytest.approx(roc_auc_score(labels == label, sign * column))
        else:
            assert np.isnan(areas[label])


def test_macro_auc_leaves_out_classes_without_a_curve() -> None:
    assert macro_auc([0, 0, 1], [[0.9, 0.1, 0.0], [0.8, 0.2, 0.0], [0.1, 0.9, 0.0]]) == 1.0
    assert np.isnan(macro_auc([1, 1], [[0.0, 1.0], [0.0, 1.0]]))


@pytest.mark.parametrize(
    ("true", "predicted", "code"),
    [([], [], "no-documents"), ([1], [1, 2], "bad-shape"), ([1.0], [float("nan")], "not-finite")],
)
def test_what_cannot_be_measured_is_refused(true: list[float], predicted: list[float], code: str) -> None:
    with pytest.raises(InputError) as caught:
        mae(true, predicted)
    assert caught.value.code == code
