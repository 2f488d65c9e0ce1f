"""Signal and reference loss: what a release shows without spending budget."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from made_up_consortium import Consortium

from comitia.learning.local_model import LocalModel
from comitia.learning.posterior import posterior, public_evidence, released_counts
from comitia.learning.prototype import Prototype
from comitia.learning.reference import reference_loss_ppm
from comitia.learning.signal import Signal, expected_signal, gain, signal
from comitia.learning.worth import noise_variance
from comitia.privacy.noise import SeededNoise
from comitia.privacy.released import Released
from comitia.privacy.terms import PrivacyTerms


def flipped(release: Released[LocalModel]) -> Released[LocalModel]:
    """The release with the signs of its sums turned, its counts kept."""

    def turn(model: LocalModel) -> LocalModel:
        values = np.array(model.values)
        values[:, :-1] *= -1
        return LocalModel(learner=model.learner, codebook=model.codebook, rows=model.rows, values=values)

    return release.map(turn)


def mislabelled(consortium: Consortium) -> Released[LocalModel]:
    terms = PrivacyTerms.of("4", "1e-5")
    wrong = (consortium.labels + 1) % 3
    return Prototype().train(consortium.codebook, consortium.vectors, wrong, terms, SeededNoise(b"wrong"))


def measured(consortium: Consortium, release: Released[LocalModel]) -> Signal:
    result = signal(consortium.codebook, release)
    assert result is not None
    return result


def test_honest_work_shows_what_is_expected_of_it(consortium: Consortium) -> None:
    result = measured(consortium, consortium.release())
    assert result.expected_micro > 4_000_000
    assert result.z_micro > 2_330_000
    assert 0.5 < result.z_micro / result.expected_micro < 4


def test_wrong_work_does_not(consortium: Consortium) -> None:
    for bad in (flipped(consortium.release()), mislabelled(consortium)):
        assert measured(consortium, bad).z_micro < 2_330_000


def test_the_signal_is_the_formula(consortium: Consortium) -> None:
    """z = sum_c n_c <S_c - n_c m0, Q_c> / (sigma sqrt(sum_c n_c^2 (|Q_c|^2 + <m0, Q_c>^2 / kappa^2))), in floats."""
    book, release = consortium.codebook, consortium.release()
    judged = public_evidence(book)
    unit, kappa = 2.0**book.grid_bits, 1.0 if book.kind == "lsa" else 0.5
    m0 = book.pool_mean / 2.0**24
    weights = released_counts(book, release)[judged] / unit
    means = posterior(book, ()).means[judged] / 2.0**30
    q = means - means.mean(axis=0)
    sums, counts = release.value.values[judged, :-1] / unit, release.value.values[judged, -1] / unit / kappa
    spread = (weights**2 * ((q**2).sum(axis=1) + (q @ m0) ** 2 / kappa**2)).sum()
    deviation = (release.receipt.sigma_squared / unit**2 * spread) ** 0.5
    shown = weights * ((sums - counts[:, None] * m0) * q).sum(axis=1)
    result = measured(consortium, release)
    assert result.z_micro / 1e6 == pytest.approx(shown.sum() / deviation, rel=0.01)
    assert result.expected_micro / 1e6 == pytest.approx((weights**2 * (q**2).sum(axis=1)).sum() / deviation, rel=0.01)


def test_what_a_release_will_be_expected_to_show_is_known_before_it_is_made(consortium: Consortium) -> None:
    book, release = consortium.codebook, consortium.release()
    unit = 2.0**book.grid_bits
    variance = noise_variance(book, PrivacyTerms.of("4", "1e-5"))
    assert variance == pytest.approx(release.receipt.variance / unit**2)
    foretold = expected_signal(book, released_counts(book, release) / unit, variance)
    assert foretold == pytest.approx(measured(consortium, release).expected_micro / 1e6, rel=0.01)
    assert expected_signal(book, np.zeros(len(book.categories)), variance) == 0
    unnamed = replace(
        book,
        name_vectors=np.zeros_like(book.name_vectors),
        references=book.references[:0],
        reference_labels=book.reference_labels[:0],
    )
    assert expected_signal(unnamed, np.ones(len(book.categories)), variance) is None


def test_the_noise_of_a_signal_has_a_standard_deviation_of_one(lsa: Consortium) -> None:
    signals = [measured(lsa, lsa.release(epsilon="2", seed=bytes([seed]))).z_micro for seed in range(200)]
    assert np.std(signals) / 1e6 == pytest.approx(1, abs=0.2)


def test_a_provider_of_one_category_alone_can_be_judged(consortium: Consortium) -> None:
    rows = np.flatnonzero(consortium.labels == 1)
    terms = PrivacyTerms.of("4", "1e-5")
    alone = consortium.release(rows.tolist())
    as_another = Prototype().train(
        consortium.codebook, consortium.vectors[rows], np.full(len(rows), 2), terms, SeededNoise(b"wrong")
    )
    assert measured(consortium, alone).z_micro > 3_000_000
    assert measured(consortium, as_another).z_micro < 0


def test_without_public_knowledge_there_is_no_signal_and_no_loss(opaque: Consortium) -> None:
    release = opaque.release()
    assert signal(opaque.codebook, release) is None
    assert reference_loss_ppm(opaque.codebook, release) is None


def test_good_work_lowers_the_reference_loss_and_bad_work_does_not(consortium: Consortium) -> None:
    good = reference_loss_ppm(consortium.codebook, consortium.release())
    bad = reference_loss_ppm(consortium.codebook, mislabelled(consortium))
    assert good is not None
    assert bad is not None
    assert good == 0 <= 300_000 < bad


def made_up(consortium: Consortium, seed: bytes) -> Released[LocalModel]:
    """Sums as documents at the public means would have, with noise as it should be."""
    book, release = consortium.codebook, consortium.release()
    drawn = SeededNoise(seed).discrete_gaussian(
        sigma_squared=release.receipt.sigma_squared, size=release.value.values.size
    )
    sums = 100 * posterior(book, ()).means.astype(np.int64) >> (30 - book.grid_bits)
    counts = np.full((len(sums), 1), 100 << book.grid_bits)
    values = np.concatenate([sums, counts], axis=1) + drawn.reshape(release.value.values.shape)
    return release.map(lambda model: replace(model, values=values))


def test_what_was_made_up_from_public_knowledge_adds_nothing(without_references: Consortium) -> None:
    one = without_references
    kept = np.flatnonzero(one.labels < 3)[:60]
    others = np.setdiff1d(np.arange(len(one.labels)), kept)

    def gained(release: Released[LocalModel]) -> Signal:
        result = gain(one.codebook, release, one.vectors[kept], one.labels[kept])
        assert result is not None
        return result

    honest = gained(one.release(others.tolist()))
    assert honest.expected_micro > 10_000_000
    assert honest.z_micro > honest.expected_micro / 2
    nothing = [gained(made_up(one, bytes([seed]))).z_micro / 1e6 for seed in range(100)]
    assert np.mean(nothing) == pytest.approx(0, abs=0.3)
    assert np.std(nothing) == pytest.approx(1, abs=0.2)


def test_a_single_document_kept_back_says_nothing(lsa: Consortium) -> None:
    assert gain(lsa.codebook, lsa.release(), lsa.vectors[:1], lsa.labels[:1]) is None
