"""How long sums are: honest work stays within bounds that the noise alone would break once in thousands of times."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from made_up_consortium import Consortium
from numpy.typing import NDArray

from comitia.learning.energy import energy
from comitia.learning.local_model import LocalModel
from comitia.learning.posterior import posterior, public_evidence
from comitia.learning.prototype import Prototype
from comitia.learning.signal import MOST_MICRO
from comitia.privacy.noise import SeededNoise
from comitia.privacy.released import Released
from comitia.privacy.terms import PrivacyTerms


def altered(
    release: Released[LocalModel], values: Callable[[NDArray[np.int64]], NDArray[np.int64]]
) -> Released[LocalModel]:
    return release.map(lambda model: replace(model, values=values(model.values)))


def scaled(factor: int) -> Callable[[NDArray[np.int64]], NDArray[np.int64]]:
    return lambda values: np.column_stack([factor * values[:, :-1], values[:, -1]])


def test_the_figures_are_the_formulas(consortium: Consortium) -> None:
    """As the module has them, in plain floats."""
    book, release = consortium.codebook, consortium.release()
    judged, unit = public_evidence(book), 2.0**book.grid_bits
    kappa = 1.0 if book.kind == "lsa" else 0.5
    noise = release.receipt.sigma_squared / unit**2
    sums, counts = release.value.values[:, :-1] / unit, release.value.values[:, -1] / unit / kappa
    public = posterior(book, ()).means[judged] / 2.0**30
    own = ((sums[judged] - counts[judged, None] * public) ** 2).sum(axis=1)
    own -= noise * (book.rank + (public**2).sum(axis=1) / kappa**2)
    sure = own - 3 * (2 * book.rank * noise**2 + 4 * noise * own) ** 0.5
    bound = counts**2 - noise / kappa**2
    excess = (sums**2).sum(axis=1) - book.rank * noise - bound
    variance = 2 * noise**2 * (book.rank + kappa**-4) + 4 * noise * (1 + kappa**-2) * bound
    excesses = [*(excess / variance**0.5), excess.sum() / variance.sum() ** 0.5]
    result = energy(book, release)
    assert result.left_micro / 1e6 == pytest.approx(own.sum() / (2 * book.rank * judged.sum() * noise**2) ** 0.5, 0.01)
    assert result.farthest_micro / 1e6 == pytest.approx((sure / counts[judged] ** 2).max(), 0.02)
    assert result.excess_micro / 1e6 == pytest.approx(max(excesses), 0.01)


def test_honest_work_is_within_bounds(consortium: Consortium) -> None:
    for seed in range(50):
        result = energy(consortium.codebook, consortium.release(epsilon="1", seed=bytes([seed])))
        assert result.excess_micro < 6_000_000
        assert result.left_micro > -4_000_000


def test_sums_that_are_longer_than_their_counts_allow(consortium: Consortium) -> None:
    release = consortium.release()
    assert energy(consortium.codebook, altered(release, scaled(3))).excess_micro > 6_000_000


def test_one_category_too_long_is_seen_as_well(consortium: Consortium) -> None:
    one = np.array([[3], [1], [1], [1]])
    result = energy(
        consortium.codebook,
        altered(consortium.release(), lambda values: np.column_stack([one * values[:, :-1], values[:, -1]])),
    )
    assert result.excess_micro > 6_000_000


def test_zeros_have_less_noise_than_the_receipt_says(consortium: Consortium) -> None:
    result = energy(consortium.codebook, altered(consortium.release(), np.zeros_like))
    assert result.left_micro < -4_000_000
    assert result.farthest_micro == 0


def test_copies_of_one_document_lie_far_from_what_is_public(consortium: Consortium) -> None:
    vectors, labels = np.array(consortium.vectors), np.array(consortium.labels)
    vectors[:100], labels[:100] = vectors[np.argmax(labels == 1)], 0
    terms = PrivacyTerms.of("4", "1e-5")
    copied = Prototype().train(consortium.codebook, vectors, labels, terms, SeededNoise(b"copies"))
    honest = energy(consortium.codebook, consortium.release()).farthest_micro
    assert energy(consortium.codebook, copied).farthest_micro > max(150_000, 2 * honest)


def test_where_nothing_is_public_all_categories_count(opaque: Consortium) -> None:
    result = energy(opaque.codebook, opaque.release())
    assert result.left_micro > 0


def test_the_longest_sums_that_there_can_be_are_measured(lsa: Consortium) -> None:
    """2**24 documents on the grid: squares that 64 bits do not hold."""
    longest = altered(lsa.release(), lambda values: np.full_like(values, 1 << 24 + lsa.codebook.grid_bits))
    result = energy(lsa.codebook, longest)
    assert result.left_micro == MOST_MICRO
    assert 10**12 < result.excess_micro <= MOST_MICRO
