"""Whether releases keep what they promise: canaries put in or left out by lot, and guessed from the release.

Every canary is a place in a provider's documents that holds one of two extreme documents, by a fair coin: neighbours by
replacement. Whoever sees the release guesses the coins it is surest of. If the release is (epsilon, delta)-private, the
right guesses are stochastically at most binomial but for a term in delta (Steinke, Nasr and Jagielski, *Privacy
Auditing with One (1) Training Run*, 2023, Theorem 5.2), so many right ones refute every epsilon below a bound.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import exp, lgamma, log1p

import numpy as np
from numpy.typing import NDArray

from comitia.core.errors import InputError
from comitia.core.ids import NodeId
from comitia.learning.contract import Learner
from comitia.learning.global_model import GlobalModel
from comitia.learning.registry import LEARNERS
from comitia.privacy.noise import Noise
from comitia.privacy.samplers import IntArray
from comitia.privacy.terms import PrivacyTerms
from comitia.retrieval.profile import make_profile
from comitia.retrieval.self_check import make_self_check
from comitia.text.build import BuildSettings, build_codebook
from comitia.text.categories import Category
from comitia.text.codebook import Codebook, VectorKind

FloatArray = NDArray[np.float64]
Coins = NDArray[np.bool_]

MISTAKE = 0.05
"""How often a release that keeps its promise may be called broken."""
SHARES = (1, 32)
"""Guesses are made on all canaries, and on one in so many; `MISTAKE` is divided among them.

Chosen on simulated continuous Gaussian noise, not on audits: at epsilon 2 and delta 1e-5 the surest 32nd of 12,800
canaries, tested alone, found halved noise in 12 of 12 tries.
"""
LARGEST_EPSILON = 64.0


class WeakenedNoise:
    """A positive control: noise switched off, or drawn with a part of its width. What it makes is not private.

    Parameters
    ----------
    noise : Noise
    divisor : int
        The width is divided by it; 0 leaves no noise at all.
    """

    trusted = False

    def __init__(self, noise: Noise, divisor: int) -> None:
        self._noise, self._divisor = noise, divisor

    def discrete_gaussian(self, *, sigma_squared: int, size: int) -> IntArray:
        """See `Noise.discrete_gaussian`."""
        if not self._divisor:
            return np.zeros(size, dtype=np.int64)
        return self._noise.discrete_gaussian(sigma_squared=max(1, sigma_squared // self._divisor**2), size=size)

    def discrete_laplace(self, *, scale_numerator: int, scale_denominator: int, size: int) -> IntArray:
        """See `Noise.discrete_laplace`."""
        if not self._divisor:
            return np.zeros(size, dtype=np.int64)
        return self._noise.discrete_laplace(
            scale_numerator=scale_numerator, scale_denominator=scale_denominator * self._divisor, size=size
        )


CONTROLS: Mapping[str, Callable[[Noise], Noise]] = {
    "none": lambda noise: noise,
    "halved": lambda noise: WeakenedNoise(noise, 2),
    "off": lambda noise: WeakenedNoise(noise, 0),
}
"""What is done to the noise: nothing, and what an audit must notice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Audited:
    """What guessing gave on one release.

    Attributes
    ----------
    release : str
        A learner's name, ``profile`` or ``self-check``.
    control : str
        A name in `CONTROLS`.
    epsilon, delta : float
        What the release claims.
    canaries : int
    lower_bound : float
        The release is not epsilon-private for any epsilon below, but for one audit in twenty.
    membership_auc : float or None
        How well the finished model tells which documents were there; None where there is no model.
    bound : float
        The most that an attack on one document's membership may reach: e^epsilon / (1 + e^epsilon), and delta.
    caught : bool
        The claim is refuted.
    """

    release: str
    control: str
    epsilon: float
    delta: float
    canaries: int
    lower_bound: float
    membership_auc: float | None
    bound: float
    caught: bool


def audited_codebook(*, categories: int, rank: int, kind: VectorKind = VectorKind.LSA) -> Codebook:
    """A codebook on made-up public words, for audits: what is guessed are the private canaries alone."""
    generator = np.random.Generator(np.random.PCG64(0))
    words = [f"word{number}" for number in range(4 * rank)]
    pool = [" ".join(generator.choice(words, 12)) for _ in range(8 * rank)]
    named = [Category(label=f"category-{number}", name=words[number]) for number in range(categories)]
    return build_codebook(pool, named, settings=BuildSettings(kind=kind, lsa_rank=rank, tf_rank=rank))


def audit_learners(codebook: Codebook, terms: PrivacyTerms, *, noise: Noise, seed: int) -> Iterator[Audited]:
    """Audit every registered learner's release and model, with and without controls."""
    generator = np.random.Generator(np.random.PCG64(seed))
    for name, learner in LEARNERS.items():
        used = codebook
        if learner.kind == "regression":
            used = replace(codebook, edges=tuple(range(len(codebook.categories) + 1)))
        canaries = _Canaries.of(used)
        tossed = [generator.random(len(canaries.labels)) < 0.5 for _ in CONTROLS]
        releases = [
            learner.train(used, *canaries.placed(coins), terms, weaken(noise))
            for coins, weaken in zip(tossed, CONTROLS.values(), strict=True)
        ]
        scores = _scores(learner, used, canaries, [release.value.values for release in releases])
        for control, coins, release, score in zip(CONTROLS, tossed, releases, scores.T, strict=True):
            auc = _membership(learner.combine(used, [release]), canaries, coins)
            yield _audited(name, control, terms, coins, score, auc)


def audit_histograms(canaries: int, terms: PrivacyTerms, *, noise: Noise, seed: int) -> Iterator[Audited]:
    """Audit the profile and the self-check, with and without controls.

    Each canary has two leaves of its own and is in one of them.
    """
    generator = np.random.Generator(np.random.PCG64(seed))
    author, cells = NodeId(f"{1:032x}"), 2 * canaries

    def profile(cell: NDArray[np.int64], drawn: Noise) -> tuple[int, ...]:
        return make_profile(author, bytes(32), cells, cell, terms, drawn).value.histogram

    def self_check(cell: NDArray[np.int64], drawn: Noise) -> tuple[int, ...]:
        return make_self_check(cells, cell, canaries, terms, drawn).value.histogram

    for name, release in (("profile", profile), ("self-check", self_check)):
        for control, weaken in CONTROLS.items():
            coins = generator.random(canaries) < 0.5
            histogram = np.array(release(2 * np.arange(canaries) + ~coins, weaken(noise)))
            # Laplace noise tells nothing more of counts outside 0 .. 1.
            pairs = np.clip(histogram, 0, 1).reshape(-1, 2)
            yield _audited(name, control, terms, coins, (pairs[:, 0] - pairs[:, 1]).astype(np.float64), None)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Canaries:
    """Two documents of one category for each place: one that may be there, and what stands there otherwise."""

    there: NDArray[np.int32]
    other: NDArray[np.int32]
    labels: NDArray[np.int64]

    @classmethod
    def of(cls, codebook: Codebook) -> _Canaries:
        """In every category, opposite vectors along each axis; where vectors have no sign, those along two axes.

        No two canaries share a coordinate of the class sums.
        """
        classes = len(codebook.categories)
        axes = np.eye(codebook.rank, dtype=np.int32) << codebook.grid_bits
        pairs = codebook.rank // 2
        signed = codebook.kind is VectorKind.LSA
        there, other = (axes, -axes) if signed else (axes[:pairs], axes[pairs : 2 * pairs])
        return cls(
            there=np.tile(there, (classes, 1)),
            other=np.tile(other, (classes, 1)),
            labels=np.repeat(np.arange(classes), len(there)),
        )

    def placed(self, coins: Coins) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """Vectors and labels as the coins have fallen."""
        return np.where(coins[:, None], self.there, self.other), self.labels


def _scores(
    learner: Learner, codebook: Codebook, canaries: _Canaries, releases: Sequence[NDArray[np.int64]]
) -> FloatArray:
    """How sure each canary is to be there by each release, shape (m, releases): what lies the way it would move them.

    Seen from the middle between all canaries there and none.
    """
    there = learner.statistic(codebook, canaries.there, canaries.labels).astype(np.float64)
    other = learner.statistic(codebook, canaries.other, canaries.labels).astype(np.float64)
    seen = np.stack([(values - (there + other) / 2).ravel() for values in releases], axis=1)
    rows = range(len(canaries.labels))
    return np.stack([_difference(learner, codebook, canaries, row) @ seen for row in rows])


def _difference(learner: Learner, codebook: Codebook, canaries: _Canaries, number: int) -> FloatArray:
    """Where one canary moves the statistic."""
    row = slice(number, number + 1)
    there = learner.statistic(codebook, canaries.there[row], canaries.labels[row])
    other = learner.statistic(codebook, canaries.other[row], canaries.labels[row])
    return (there - other).ravel().astype(np.float64)


def _membership(model: GlobalModel, canaries: _Canaries, coins: Coins) -> float:
    """AUC of the model's own scores, as whoever holds nothing but the model can take them."""
    rows = np.arange(len(coins))
    there = model.log_scores(canaries.there)[rows, canaries.labels]
    other = model.log_scores(canaries.other)[rows, canaries.labels]
    return _area(coins, there - other)


def _area(coins: Coins, scores: FloatArray) -> float:
    """AUC, ties counting half; .5 where all coins fell alike."""
    present, absent = np.sort(scores[coins]), scores[~coins]
    if not present.size or not absent.size:
        return 0.5
    below, upto = np.searchsorted(present, absent, "left"), np.searchsorted(present, absent, "right")
    return float((2 * present.size - below - upto).sum() / (2 * present.size * absent.size))


def _audited(
    name: str, control: str, terms: PrivacyTerms, coins: Coins, scores: FloatArray, auc: float | None
) -> Audited:
    epsilon, delta = terms.epsilon_micro / 1e6, terms.delta_pico / 1e12
    lower = lower_bound(coins, scores, delta=delta)
    return Audited(
        release=name,
        control=control,
        epsilon=epsilon,
        delta=delta,
        canaries=len(coins),
        lower_bound=lower,
        membership_auc=auc,
        bound=min(1.0, exp(epsilon) / (1 + exp(epsilon)) + delta),
        caught=lower > epsilon,
    )


def lower_bound(coins: Coins, scores: FloatArray, *, delta: float) -> float:
    """The largest epsilon that the guesses refute, at 1 - `MISTAKE`.

    Parameters
    ----------
    coins : bool array, shape (m,)
        Which canaries were there.
    scores : float array, shape (m,)
        Positive guesses that it was there, negative that it was not; the surest guesses have the largest magnitudes.
    """
    if coins.shape != scores.shape or not coins.size:
        raise InputError(f"{coins.size} canaries with {scores.size} scores", code="bad-canaries")
    surest = np.argsort(-np.abs(scores), kind="stable")
    right = np.cumsum((scores > 0)[surest] == coins[surest])
    bounds = [0.0]
    for share in SHARES:
        guesses = max(1, coins.size // share)
        correct = int(right[guesses - 1])

        def refuted(epsilon: float, guesses: int = guesses, correct: int = correct) -> bool:
            return _chance(correct, guesses, coins.size, epsilon, delta) <= MISTAKE / len(SHARES)

        bounds.append(_largest(refuted))
    return max(bounds)


def _largest(holds: Callable[[float], bool]) -> float:
    """The largest epsilon, to a thousandth, for which it holds; 0 if for none."""
    low, high = 0.0, LARGEST_EPSILON
    while high - low > 1e-3:
        middle = (low + high) / 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low


def _chance(correct: int, guesses: int, canaries: int, epsilon: float, delta: float) -> float:
    """At most how likely so many right guesses are under (epsilon, delta): Theorem 5.2.

    With W binomial of `guesses` at e^epsilon / (1 + e^epsilon): P[W >= v] + 2 m delta max_i P[v - i <= W < v] / i.
    """
    success, failure = -log1p(exp(-epsilon)), -epsilon - log1p(exp(-epsilon))
    counts = np.arange(guesses + 1)
    ways = np.array([lgamma(guesses + 1) - lgamma(k + 1) - lgamma(guesses - k + 1) for k in counts])
    law = np.exp(ways + counts * success + (guesses - counts) * failure)
    tail = float(law[correct:].sum())
    if not correct or not delta:
        return min(1.0, tail)
    below = np.cumsum(law[:correct][::-1]) / np.arange(1, correct + 1)
    return min(1.0, tail + 2 * canaries * delta * float(below.max()))
