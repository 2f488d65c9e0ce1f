"""The learner with rounds: noised full-batch gradient descent of a softmax regression, from public knowledge on.

Each round every provider sends the noised gradient of its documents' loss at the model so far,

    G_c = sum_i (y_ic - p_ic) z_i,

and `combine` takes a step along their sum. The first model is what `prototype` makes of pool and names, which is linear
in z; references stay out of it, so they can judge and stop.

Arithmetic of `combine` and `judge`: integers and single IEEE operations, no exp. A provider's own p may differ by a
rounding from machine to machine; it is private and nobody recomputes it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import isqrt

import numpy as np
from numpy.typing import NDArray

from comitia.learning import logistic
from comitia.learning.global_model import GlobalModel
from comitia.learning.judging import Judged
from comitia.learning.linear import WEIGHT_BITS, WEIGHT_LIMIT, Linear, prototype_scores
from comitia.learning.local_model import LocalModel
from comitia.learning.posterior import posterior
from comitia.learning.reference import wrong_references_ppm
from comitia.learning.squares import squared_lengths
from comitia.learning.training_set import declared_rows, require_training_set
from comitia.privacy.mechanisms import gaussian
from comitia.privacy.noise import Noise
from comitia.privacy.released import Released
from comitia.privacy.terms import PrivacyTerms
from comitia.text.codebook import Codebook

IntArray = NDArray[np.int64]

RESIDUAL_BITS = 15
"""y - p counts in units of 2**-15."""
_BLOCK = 1 << 16
"""Documents that are added up at once."""
STEP = 16
"""Length of a step: the mean gradient of all documents, times the number of categories, times this."""


class Softmax:
    """Full-batch gradient descent in a fixed number of rounds."""

    name = "softmax"
    release_name = "softmax"
    releases_class_sums = False
    rounds = 3
    kind = "classification"
    pure = False

    def shape(self, codebook: Codebook) -> tuple[int, int]:
        """A row for each category: the gradient of its weights; last in the first row the number of documents."""
        return len(codebook.categories), codebook.rank + 1

    def sensitivity_squared(self, codebook: Codebook) -> int:
        """Square of the most that replacing one document moves the gradient, in squared grid steps.

        Proof. Write g = 2**grid_bits. A document adds the matrix of e_c z_j, where |z| <= g (checked before training,
        in integers) and e = y - p is held to a length of at most 1 (`_residuals`, checked in integers): at most g
        long, whatever the model given. The sum is exact, and cut off to grid steps once, at the end.

        1. *Replacing a document* takes one such matrix away and adds another: the exact sums move by at most 2 g, each
           of the C r entries is then cut off and moves by less than 1 step more, so by the triangle inequality the
           gradient moves by at most 2 g + sqrt(C r). The number of documents stays.
        2. *By one without a known label, or the reverse*: the gradient moves by at most g + sqrt(C r) and the number
           by g, squared (g + sqrt(C r))² + g² <= (2 g + sqrt(C r))².
        """
        entries = len(codebook.categories) * codebook.rank
        return (2 * isqrt(codebook.norm_bound_squared) + isqrt(entries - 1) + 1) ** 2

    def l1_sensitivity(self, codebook: Codebook) -> None:
        """There is none: a gradient's L1 norm is twice a vector's, and each round would pay for it anew."""

    def statistic(
        self,
        codebook: Codebook,
        vectors: NDArray[np.int32],
        labels: NDArray[np.int64],
        given: GlobalModel | None = None,
    ) -> IntArray:
        """See `Learner.statistic`: the gradient."""
        model, gradient = _linear(codebook, given), np.zeros(self.shape(codebook), dtype=np.int64)
        gradient[0, -1] = len(labels) << codebook.grid_bits
        for first in range(0, len(labels), _BLOCK):
            block = slice(first, first + _BLOCK)
            # Whole numbers below 2^53 in doubles: exact in whatever order they are added.
            documents = vectors[block].astype(np.float64)
            residuals = _residuals(model.products(documents), labels[block], codebook)
            products = residuals.T.astype(np.float64) @ documents
            gradient[:, :-1] += products.astype(np.int64)
        gradient[:, :-1] >>= RESIDUAL_BITS
        return gradient

    def train(
        self,
        codebook: Codebook,
        vectors: NDArray[np.int32],
        labels: NDArray[np.int64],
        terms: PrivacyTerms,
        noise: Noise,
        given: GlobalModel | None = None,
    ) -> Released[LocalModel]:
        """See `Learner.train`. The declared rows are the noised number of documents."""
        require_training_set(codebook, vectors, labels)
        released = gaussian(
            self.statistic(codebook, vectors, labels, given),
            l2_sensitivity_squared=self.sensitivity_squared(codebook),
            terms=terms,
            noise=noise,
            grid_bits=codebook.grid_bits,
        )
        rows = declared_rows(int(released.value[0, -1]) >> codebook.grid_bits)
        return released.map(
            lambda values: LocalModel(learner=self.release_name, codebook=codebook.digest, rows=rows, values=values)
        )

    def combine(
        self, codebook: Codebook, accepted: Sequence[Released[LocalModel]], given: GlobalModel | None = None
    ) -> GlobalModel:
        """See `Learner.combine`. A row counts by the share of its energy that is not noise.

        That is what a provider without documents of a category needs: its row is noise, and must not blur the others'.
        """
        model = given or GlobalModel(
            codebook=codebook,
            learner=self.name,
            posterior=posterior(codebook, (), references=False),
            head=_first(codebook),
        )
        if not accepted:
            return model
        head = _linear(codebook, model)
        rows = sum(release.value.rows for release in accepted)
        pull = np.zeros(head.weights.shape, dtype=np.int64)
        for release in accepted:
            pull += np.rint(release.value.values[:, :-1] * _signal_share(release)[:, None]).astype(np.int64)
        scale = float(STEP * len(codebook.categories)) * 2.0 ** (WEIGHT_BITS - codebook.grid_bits)
        moved = head.weights + np.rint(pull * scale / float(rows))
        weights = np.clip(moved, -WEIGHT_LIMIT, WEIGHT_LIMIT).astype(np.int32)
        return replace(model, head=Linear(weights=weights, intercepts=head.intercepts))

    def reference_loss_ppm(self, codebook: Codebook, model: GlobalModel) -> int | None:
        """See `Learner.reference_loss_ppm`."""
        return wrong_references_ppm(codebook, _linear(codebook, model).products(codebook.references))

    def judge(self, codebook: Codebook, release: Released[LocalModel], given: GlobalModel | None = None) -> Judged:
        """See `Learner.judge`: the loss on references after a step along this release alone; there is no signal.

        What honest gradients look like depends on how right the given model is on private documents, which nobody
        knows: without references a release is unverifiable.
        """
        stepped = self.combine(codebook, (release,), given)
        return Judged(reference_loss_ppm=self.reference_loss_ppm(codebook, stepped))


def _linear(codebook: Codebook, given: GlobalModel | None) -> Linear:
    head = given.head if given is not None else None
    return head if isinstance(head, Linear) else _first(codebook)


def _first(codebook: Codebook) -> Linear:
    """The prototypes of pool and names."""
    return prototype_scores(codebook, posterior(codebook, (), references=False), references=False)


def _residuals(products: IntArray, labels: NDArray[np.int64], codebook: Codebook) -> IntArray:
    """y - p of each document, shape (n, C), in units of 2**-`RESIDUAL_BITS`; no row longer than 1, exactly."""
    one = 1 << RESIDUAL_BITS
    logits = products / float(1 << (WEIGHT_BITS + codebook.grid_bits))
    exact = -logistic.softmax(logits)
    exact[np.arange(len(labels)), labels] += 1.0
    lengths = np.sqrt((exact**2).sum(axis=1, keepdims=True))
    residuals = np.trunc(exact * (one / np.maximum(lengths, 1.0))).astype(np.int64)
    # Floating point could leave a row a hair too long; integers decide.
    while (excess := (residuals**2).sum(axis=1) > one**2).any():
        residuals[excess] -= np.sign(residuals[excess])
    return np.asarray(residuals)


def _signal_share(release: Released[LocalModel]) -> NDArray[np.float64]:
    """Of each row of a release, how much is not noise: 1 - width sigma² / |row|², at least 0; shape (C,)."""
    rows = release.value.values[:, :-1]
    noise = rows.shape[1] * release.receipt.sigma_squared
    energies = squared_lengths(rows)
    return np.array([max(0, energy - noise) / energy if energy else 0.0 for energy in energies], dtype=np.float64)
