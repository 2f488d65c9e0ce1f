"""Multinomial logistic regression on a handful of weighted rows.

The minimum lies in the span of the rows, so the search runs in coordinates of that span (one QR factorisation): with
few rows its cost does not depend on the number of features.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
Objective = Callable[[FloatArray], tuple[float, FloatArray]]
History = deque[tuple[FloatArray, FloatArray, float]]
"""Past steps, the changes of gradient along them, and the inner products of the two."""

MEMORY = 10
"""Past steps that the curvature estimate remembers."""
TOLERANCE = 2e-6
"""Longest gradient at the end, as a share of the summed loss weights."""
MOST_STEPS = 200
SHORTEST_STEP = 1e-10


def log_softmax(scores: FloatArray) -> FloatArray:
    """Log-probabilities, shape (n, C), of scores of that shape; each row of their exponentials sums to 1."""
    shifted = scores - scores.max(axis=1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)))


def softmax(scores: FloatArray) -> FloatArray:
    """Probabilities, shape (n, C), of scores of that shape; each row sums to 1."""
    raised = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=1, keepdims=True))


def fit(
    rows: FloatArray, labels: NDArray[np.int64], weights: FloatArray, *, classes: int, inverse_penalty: float
) -> tuple[FloatArray, FloatArray]:
    """Weights and intercepts that minimise |W|²/2 + inverse_penalty · sum_i weight_i · (-log p_i(label_i)).

    Intercepts are not penalised. Deterministic, but not bit for bit the same on every processor.

    Parameters
    ----------
    rows : float array, shape (n, r), n >= 1
    labels : int array, shape (n,)
        0 <= label < classes.
    weights : float array, shape (n,), > 0

    Returns
    -------
    float array, shape (classes, r); float array, shape (classes,)
    """
    span, coordinates = np.linalg.qr(rows.T)
    points = np.vstack([coordinates, np.ones(len(rows))]).T
    target = np.zeros((len(rows), classes))
    target[np.arange(len(rows)), labels] = 1.0
    loss_weights = inverse_penalty * weights

    def objective(solution: FloatArray) -> tuple[float, FloatArray]:
        log_probability = log_softmax(points @ solution)
        penalised = solution * penalty
        value = 0.5 * np.vdot(penalised, solution) - loss_weights @ (log_probability * target).sum(axis=1)
        residual = loss_weights[:, None] * (np.exp(log_probability) - target)
        return float(value), penalised + points.T @ residual

    penalty = np.ones((points.shape[1], 1))
    penalty[-1] = 0.0
    solution = _minimise(objective, np.zeros((points.shape[1], classes)), tolerance=TOLERANCE * loss_weights.sum())
    return np.asarray(solution[:-1].T @ span.T), np.asarray(solution[-1])


def _minimise(evaluate: Objective, point: FloatArray, *, tolerance: float) -> FloatArray:
    """L-BFGS with backtracking, until the gradient is no longer than `tolerance`."""
    history: History = deque(maxlen=MEMORY)
    value, gradient = evaluate(point)
    for _ in range(MOST_STEPS):
        steepness = _inner(gradient, gradient)
        if steepness <= tolerance**2:
            break
        direction = _direction(history, gradient)
        descent = _inner(direction, gradient)
        length = 1.0 if history else min(1.0, steepness**-0.5)
        while True:
            candidate = point + length * direction
            next_value, next_gradient = evaluate(candidate)
            if next_value <= value + 1e-4 * length * descent or length < SHORTEST_STEP:
                break
            length /= 2
        if next_value >= value:
            break
        step, change = candidate - point, next_gradient - gradient
        curvature = _inner(step, change)
        if curvature > 0:
            history.append((step, change, curvature))
        point, value, gradient = candidate, next_value, next_gradient
    return point


def _inner(left: FloatArray, right: FloatArray) -> float:
    return float(np.vdot(left, right))


def _direction(history: History, gradient: FloatArray) -> FloatArray:
    """Minus the gradient, times the inverse curvature that the past steps suggest (two-loop recursion)."""
    direction = -gradient
    shares: list[float] = []
    for step, change, curvature in reversed(history):
        shares.append(_inner(step, direction) / curvature)
        direction = direction - shares[-1] * change
    if history:
        _, change, curvature = history[-1]
        direction = direction * (curvature / _inner(change, change))
    for (step, change, curvature), share in zip(history, reversed(shares), strict=True):
        direction = direction + (share - _inner(change, direction) / curvature) * step
    return direction
