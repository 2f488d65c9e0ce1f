from __future__ import annotations

import numpy as np
import pytest
from made_up_consortium import Consortium

from comitia.learning.boosting import boost
from comitia.learning.growing import grow_forest
from comitia.learning.prototype import Prototype
from comitia.learning.trees import FARTHEST, Trees, tree_points

POINTS = np.random.default_rng(3).integers(-FARTHEST // 8, FARTHEST // 8, (300, 5))


def walked(trees: Trees, point: np.ndarray) -> np.ndarray:
    """The definition: from each root, question by question, to a leaf."""
    total = np.zeros(trees.leaves.shape[2], dtype=np.int64)
    for features, thresholds, leaves in zip(trees.features, trees.thresholds, trees.leaves, strict=True):
        node = 0
        while node < len(features):
            node = 2 * node + (2 if point[features[node]] > thresholds[node] else 1)
        total += leaves[node - len(features)]
    return total


@pytest.mark.parametrize(
    "trees",
    [
        boost(POINTS, POINTS, stumps=60, tried=4, rate_percent=60),
        grow_forest(POINTS, POINTS, trees=3, depth=4, tried=4),
    ],
    ids=["stumps", "deep"],
)
def test_points_fall_where_the_questions_lead(trees: Trees) -> None:
    np.testing.assert_array_equal(trees.values(POINTS), [walked(trees, point) for point in POINTS])


@pytest.mark.parametrize("width", [1, 2, 700])
def test_boosted_stumps_come_closer_the_more_there_are(width: int) -> None:
    points = np.resize(POINTS, (60, width))
    errors = [
        np.abs(points - boost(points, points, stumps=stumps, tried=4, rate_percent=60).values(points)).mean()
        for stumps in (1, 20, 200)
    ]
    assert errors[0] > errors[1] > errors[2]


def test_each_stump_learns_what_the_ones_before_left_over() -> None:
    """What boosting keeps up to date, sums over the questions, is what the points themselves say."""
    stumps = boost(POINTS, POINTS, stumps=30, tried=4, rate_percent=50)
    left = POINTS.copy()
    for feature, threshold, (no, yes) in zip(stumps.features, stumps.thresholds, stumps.leaves, strict=True):
        above = POINTS[:, feature[0]] > threshold[0]
        np.testing.assert_array_equal(yes, left[above].sum(axis=0) * 50 // (100 * (above.sum() + 1)))
        np.testing.assert_array_equal(no, left[~above].sum(axis=0) * 50 // (100 * ((~above).sum() + 1)))
        left -= np.where(above[:, None], yes, no)


def test_a_leaf_is_the_mean_of_its_points_and_one_at_zero() -> None:
    tree = grow_forest(POINTS, POINTS, trees=1, depth=3, tried=4)
    reached = tree.values(POINTS)
    for leaf in np.unique(reached, axis=0):
        inside = POINTS[(reached == leaf).all(axis=1)]
        np.testing.assert_array_equal(leaf, inside.sum(axis=0) // (len(inside) + 1))


def test_points_are_the_prototypes_scores_seen_from_their_average(lsa: Consortium) -> None:
    model = Prototype().combine(lsa.codebook, [lsa.release(slice(None))])
    points = tree_points(lsa.codebook, model.prototype_scores, lsa.vectors)
    exact = model.prototype_scores.logits(lsa.codebook, model.prototype_scores, lsa.vectors)
    np.testing.assert_allclose(points / 4096, exact - exact.mean(axis=1, keepdims=True), atol=1e-3)
