"""Whether releases keep what they promise: canaries put in or left out by lot, and guessed from the release.

Every canary is a place in a provider's documents that holds one of two extreme documents, by a fair coin: neighbours by
replacement. Whoever sees the release guesses the coins it is surest of. If the release is (epsilon, delta)-private, the
right guesses are stochastically at most binomial but for a term in delta (Steinke, Nasr and Jagielski, *Privacy
Auditing with One (1) Training Run*, 2023, Theorem 5.2), so many right ones refute every epsilon below a bound.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from math import exp, log1p

import numpy as np
from numpy.typing import NDArray

from comitia.core.errors import InputError
from comitia.core.ids import NodeId
from comitia.learning.contract import Learner
from comitia.learning.global_model import GlobalModel
from comitia.learning.metrics import auc
from comitia.learning.registry import LEARNERS
from comitia.privacy.noise import Noise
from comitia.privacy.samplers import IntArray
from comitia.privacy.shares import shared_out
from comitia.privacy.terms import PrivacyTerms
from comitia.retrieval.profile import make_profile
from comitia.retrieval.self_check import make_self_check
from comitia.text.basis import BASIS_BITS
from comitia.text.categories import Category
from comitia.text.codebook import MEAN_BITS, VARIANCE_BITS, Codebook
from comitia.text.vectors import WEIGHT_BITS, VectorKind

FloatArray = NDArray[np.float64]
Coins = NDArray[np.bool_]

MISTAKE = 0.05
"""How often a release that keeps its promise may be called broken."""
GAUSSIAN_SHARE, LAPLACE_SHARE = 32, 2
"""Guesses are made on the surest one in so many canaries.

Chosen on simulated continuous noise, not on audits, at epsilon 2 (and delta 1e-5): of 60 simulated audits of 19,200
canaries, halved Gaussian noise was found in all; where canaries move the statistic by .894 of its sensitivity, as on
`tf` vectors, in 90 % of 19,200 and 97 % of 28,800. Of 40 with 1,024 canaries, halved Laplace noise was found in all.
"""
LARGEST_EPSILON = 64.0
_POOL = 512
_GRID_BITS = 10


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
    vectors : str
        Kind of the vectors that were summed; "" where documents are only counted.
    rounds : int
        How many releases make up what is audited.
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
    vectors: str
    rounds: int
    control: str
    epsilon: float
    delta: float
    canaries: int
    lower_bound: float
    membership_auc: float | None
    bound: float
    caught: bool


def audited_codebook(*, categories: int, rank: int, kind: VectorKind = VectorKind.LSA) -> Codebook:
    """A codebook on made-up public words, for audits: what is guessed are the private canaries alone.

    Each coordinate is a word. The pool lies in all directions, or in all that have no negative sign for `tf`; its first
    vectors are the categories' names.
    """
    points = np.random.Generator(np.random.PCG64(0)).standard_normal((_POOL, rank))
    points = np.abs(points) if kind is VectorKind.TF else points
    pool = points / np.linalg.norm(points, axis=1, keepdims=True)
    sample = np.trunc(pool * (1 << _GRID_BITS)).astype(np.int32)
    return Codebook(
        categories=tuple(Category(label=f"category-{number}") for number in range(categories)),
        vocabulary=tuple(f"word{number:04}" for number in range(rank)),
        weights=np.full(rank, 1 << WEIGHT_BITS),
        kind=kind,
        basis=np.eye(rank, dtype=np.int16) * np.int16((1 << BASIS_BITS) - 1),
        grid_bits=_GRID_BITS,
        pool_mean=np.rint(pool.mean(axis=0) * 2**MEAN_BITS).astype(np.int64),
        pool_variance=np.rint(pool.var(axis=0) * 2**VARIANCE_BITS).astype(np.int64),
        pool_sample=sample,
        references=sample[:0],
        reference_labels=np.zeros(0, np.int64),
        name_vectors=sample[:categories],
        leaves=(),
        leaf_prototypes=np.zeros((0, rank), np.int16),
        pool_documents=_POOL,
    )


def audit_learners(codebook: Codebook, terms: PrivacyTerms, *, noise: Noise, seed: int) -> Iterator[Audited]:
    """Audit what registered learners release in all their rounds, and their models, with and without controls.

    On `tf` vectors `softmax` is left out: no two of them are opposite, so none moves its gradient by more than .71 of
    what its proof, which is for either kind, pays for, and an audit of any size here misses halved noise.
    """
    generator = np.random.Generator(np.random.PCG64(seed))
    for learner in LEARNERS.values():
        if codebook.kind is VectorKind.TF and learner.rounds > 1:
            continue
        used = codebook
        if learner.kind == "regression":
            used = replace(codebook, edges=tuple(range(len(codebook.categories) + 1)))
        canaries = _Canaries.of(used)
        for control, weaken in CONTROLS.items():
            coins = generator.random(len(canaries.labels)) < 0.5
            scores, model = _session(learner, used, canaries, coins, terms, weaken(noise))
            yield _audited(
                learner.name,
                control,
                terms,
                coins,
                scores,
                vectors=codebook.kind,
                rounds=learner.rounds,
                membership_auc=auc(coins, canaries.likeness_to(model)),
            )


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
            yield _audited(name, control, terms, coins, (pairs[:, 0] - pairs[:, 1]).astype(np.float64))


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

    @property
    def all(self) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """Vectors and labels of those that may be there and of the others."""
        return np.concatenate([self.there, self.other]), np.tile(self.labels, 2)

    def likeness(self, sums: FloatArray) -> FloatArray:
        """How far each category's row of `sums` lies the way of a canary that is there, shape (m,)."""
        return np.asarray(((self.there - self.other) * sums[self.labels, :-1]).sum(axis=1))

    def likeness_to(self, model: GlobalModel) -> FloatArray:
        """The same by the model's own scores, as whoever holds nothing but the model can take them."""
        rows = np.arange(len(self.labels))
        return np.asarray(
            model.log_scores(self.there)[rows, self.labels] - model.log_scores(self.other)[rows, self.labels]
        )


def _session(
    learner: Learner, codebook: Codebook, canaries: _Canaries, coins: Coins, terms: PrivacyTerms, noise: Noise
) -> tuple[FloatArray, GlobalModel]:
    """Train on the canaries in as many rounds as the learner takes: how sure each is to be there, and the model.

    Every round is seen from the middle between all canaries there and none. Noise is as wide in each, so they add up.
    """
    each = shared_out(terms, learner.rounds)
    model: GlobalModel | None = None
    scores = np.zeros(len(coins))
    for _ in range(learner.rounds):
        middle = learner.statistic(codebook, *canaries.all, model) / 2
        release = learner.train(codebook, *canaries.placed(coins), each, noise, model)
        scores += canaries.likeness(release.value.values - middle)
        model = learner.combine(codebook, [release], model)
    assert model is not None
    return scores, model


def _audited(
    name: str,
    control: str,
    terms: PrivacyTerms,
    coins: Coins,
    scores: FloatArray,
    *,
    vectors: str = "",
    rounds: int = 1,
    membership_auc: float | None = None,
) -> Audited:
    epsilon, delta = terms.epsilon_micro / 1e6, terms.delta_pico / 1e12
    share = GAUSSIAN_SHARE if terms.delta_pico else LAPLACE_SHARE
    lower = lower_bound(coins, scores, delta=delta, guesses=max(1, len(coins) // share))
    return Audited(
        release=name,
        vectors=vectors,
        rounds=rounds,
        control=control,
        epsilon=epsilon,
        delta=delta,
        canaries=len(coins),
        lower_bound=lower,
        membership_auc=membership_auc,
        bound=min(1.0, exp(epsilon) / (1 + exp(epsilon)) + delta),
        caught=lower > epsilon,
    )


def lower_bound(coins: Coins, scores: FloatArray, *, delta: float, guesses: int) -> float:
    """The largest epsilon that the guesses refute, at 1 - `MISTAKE`.

    Parameters
    ----------
    coins : bool array, shape (m,)
        Which canaries were there.
    scores : float array, shape (m,)
        Positive guesses that it was there, negative that it was not; the surest guesses have the largest magnitudes.
    guesses : int
        How many of the surest are made, 1 .. m; fixed before any score is seen.
    """
    if coins.shape != scores.shape or not 1 <= guesses <= coins.size:
        raise InputError(f"{guesses} guesses on {coins.size} canaries with {scores.size} scores", code="bad-canaries")
    surest = np.argsort(-np.abs(scores), kind="stable")[:guesses]
    correct = int(((scores > 0) == coins)[surest].sum())
    return _largest(lambda epsilon: _chance(correct, guesses, coins.size, epsilon, delta) <= MISTAKE)


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
    factorials = np.concatenate([[0.0], np.cumsum(np.log(counts[1:]))])
    ways = factorials[-1] - factorials - factorials[::-1]
    law = np.exp(ways + counts * success + (guesses - counts) * failure)
    tail = float(law[correct:].sum())
    if not correct or not delta:
        return min(1.0, tail)
    below = np.cumsum(law[:correct][::-1]) / np.arange(1, correct + 1)
    return min(1.0, tail + 2 * canaries * delta * float(below.max()))
