from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from made_up_consortium import Consortium

from comitia.core.errors import DamagedError, InputError
from comitia.learning.global_model import EVEN_SHARE, GlobalModel
from comitia.learning.linear import prototype_scores
from comitia.learning.posterior import (
    POSTERIOR_BITS,
    Posterior,
    documents_known,
    posterior,
    public_evidence,
    released_counts,
)
from comitia.learning.prototype import Prototype
from comitia.text.vectors import VectorKind


def combined(consortium: Consortium) -> GlobalModel:
    releases = [consortium.release(slice(start, None, 3), seed=bytes([start])) for start in range(3)]
    return Prototype().combine(consortium.codebook, releases)


def test_reads_what_it_wrote(consortium: Consortium) -> None:
    model = combined(consortium)
    again = GlobalModel.from_bytes(model.to_bytes(), consortium.codebook)
    assert again.digest == model.digest == sha256(model.to_bytes()).digest()
    np.testing.assert_array_equal(again.predict_proba(consortium.texts), model.predict_proba(consortium.texts))


def test_the_order_of_the_releases_does_not_matter(consortium: Consortium) -> None:
    releases = [consortium.release(slice(start, None, 5), seed=bytes([start])) for start in range(5)]
    digests = {Prototype().combine(consortium.codebook, releases[turn:] + releases[:turn]).digest for turn in range(5)}
    assert len(digests) == 1


def test_the_posterior_is_the_formula(consortium: Consortium) -> None:
    """M = [p m0 + refsum + 2 z_name + sum_i b_i S_i] / [p + R + 2 + sum_i b_i n_i], in plain floats."""
    book = consortium.codebook
    releases = [consortium.release(slice(start, None, 2), seed=bytes([start])) for start in range(2)]
    unit = float(2**book.grid_bits)
    m0, v = book.pool_mean / 2**24, 0.8 * book.pool_variance / 2**40
    place = np.argsort(np.argsort(-book.pool_variance, kind="stable"))
    lsa = book.kind is VectorKind.LSA
    prior = np.minimum(8 / 7 * (1 + (place / 16) ** 2), 20) if lsa else np.full(book.rank, 6.0)
    sums = np.tile(prior * m0, (4, 1)) + 2 * book.name_vectors / unit
    weights = np.tile(prior, (4, 1)) + 2.0 * book.name_vectors.any(axis=1)[:, None]
    for vector, label in zip(book.references, book.reference_labels, strict=True):
        sums[label] += vector / unit
        weights[label] += 1
    for release in releases:
        n = released_counts(book, release)[:, None] / unit
        b = n * v / (n * v + release.receipt.sigma_squared / unit**2)
        sums += b * release.value.values[:, :-1] / unit
        weights += b * n
    means = posterior(book, releases).means / 2.0**POSTERIOR_BITS
    np.testing.assert_allclose(means, sums / weights, atol=2e-6)


def test_counts_below_the_noise_are_zero_and_never_add_up_to_more_than_declared(consortium: Consortium) -> None:
    release = consortium.release([0], epsilon="0.5")
    counts = released_counts(consortium.codebook, release)
    assert counts.min() >= 0
    assert counts.sum() <= release.value.rows << consortium.codebook.grid_bits


def test_the_posterior_has_known_hashes() -> None:
    """Integers and single IEEE operations only: these bytes are the same on every processor."""
    rank, classes = 5, 3
    book: Any = SimpleNamespace(
        categories=(None,) * classes,
        rank=rank,
        grid_bits=10,
        kind=VectorKind.LSA,
        pool_mean=np.arange(rank, dtype=np.int64) * 1_000_003,
        pool_variance=np.arange(1, rank + 1, dtype=np.int64) * 4_000_000_007,
        name_vectors=np.array([[300, -2, 7, 0, 11], [0] * 5, [1, 2, 3, 4, 5]], dtype=np.int32),
        references=np.array([[900, 1, -5, 30, 2]], dtype=np.int32),
        reference_labels=np.array([1]),
        pool_sample=(np.arange(40, dtype=np.int32).reshape(8, rank) * 7919) % 600,
    )
    values = (np.arange(classes * (rank + 1), dtype=np.int64).reshape(classes, -1) * 7919) % 20011
    release: Any = SimpleNamespace(
        value=SimpleNamespace(values=values, rows=40), receipt=SimpleNamespace(variance=1_234_567)
    )
    believed: Posterior = posterior(book, [release, release])
    pinned = sha256(
        believed.means.astype("<i4").tobytes()
        + believed.shared.astype("<i4").tobytes()
        + believed.evidence_micro.astype("<i8").tobytes()
    )
    assert pinned.hexdigest() == "11305a3f8941347bb80bbc2efcd884312398d7116f14b5a662adaab84a88dca9"
    scores = sha256(prototype_scores(book, believed).to_bytes())
    assert scores.hexdigest() == "7f2ae607f229761a098180b88c4f913cbf14a8348add105a9e8e7901e88511c7"


def test_probabilities_add_up_and_labels_are_the_codebooks(consortium: Consortium) -> None:
    model = combined(consortium)
    shares = model.predict_proba(["pump hose leak", "", "zzz"])
    assert shares.shape == (3, 4)
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    assert model.classes_.tolist() == list(consortium.codebook.labels)
    assert model.predict(["battery fuse lamp", "bucket tooth weld lip"]).tolist() == ["electrics", "code-1"]


def test_texts_and_their_vectors_get_the_same_answer(consortium: Consortium) -> None:
    model = combined(consortium)
    np.testing.assert_array_equal(
        model.predict_proba(consortium.texts[:9]), model.predict_proba(consortium.vectors[:9])
    )


def test_no_query_gets_no_answer(consortium: Consortium) -> None:
    assert combined(consortium).predict([]).shape == (0,)


def test_a_model_without_references_scores_by_means_alone(without_references: Consortium) -> None:
    model = combined(without_references)
    assert model.predict(["battery fuse lamp"]).tolist() == ["electrics"]


def test_bad_queries_are_refused(lsa: Consortium) -> None:
    model = combined(lsa)
    with pytest.raises(InputError, match="list of texts"):
        model.predict("one text")
    with pytest.raises(InputError) as caught:
        model.predict(lsa.vectors[:, :-1])
    assert caught.value.code == "bad-vectors"


def test_a_damaged_or_foreign_model_is_refused(lsa: Consortium, without_references: Consortium) -> None:
    data = combined(lsa).to_bytes()
    with pytest.raises(DamagedError) as caught:
        GlobalModel.from_bytes(data[:-1], lsa.codebook)
    assert caught.value.code == "damaged-model"
    with pytest.raises(DamagedError) as caught:
        GlobalModel.from_bytes(data, without_references.codebook)
    assert caught.value.code == "foreign-codebook"


def test_a_category_of_which_nothing_is_known_is_what_resembles_no_other(lsa: Consortium) -> None:
    """Its P is the same for all documents before the softmax, so a document is the less it the more it is another."""
    book = lsa.codebook
    model = Prototype().combine(book, ())
    (unknown,) = np.flatnonzero(~public_evidence(book))[:1]
    assert not model.prototype_scores.weights[unknown].any()
    assert model.prototype_scores.intercepts[unknown] == 0


def test_a_direction_counts_for_less_the_less_is_known_of_it(lsa: Consortium) -> None:
    book = lsa.codebook
    model = Prototype().combine(book, [lsa.release(slice(None))])
    lengths, known = np.linalg.norm(model.prototype_scores.weights, axis=1), documents_known(book, model.posterior)
    assert (np.diff(lengths[np.argsort(known)]) >= 0).all()


def test_what_is_common_in_the_releases_is_likelier(lsa: Consortium) -> None:
    """By its share in the noised counts, of which a part is spread evenly."""
    model = Prototype().combine(lsa.codebook, [lsa.release(slice(None), epsilon="8")])
    shares = model.posterior.counts / model.posterior.counts.sum()
    np.testing.assert_allclose(np.exp(model.log_common), (1 - EVEN_SHARE) * shares + EVEN_SHARE / 4)
    doubled = replace(model.posterior, counts=model.posterior.counts * np.array([9, 1, 1, 1]))
    more = replace(model, posterior=doubled).predict_proba(lsa.texts)[:, 0]
    assert (more >= model.predict_proba(lsa.texts)[:, 0]).all()


def test_public_knowledge_takes_all_categories_for_equally_common(lsa: Consortium) -> None:
    assert not Prototype().combine(lsa.codebook, ()).log_common.any()


def test_negative_counts_are_damage(lsa: Consortium) -> None:
    model = combined(lsa)
    wrong = replace(model, posterior=replace(model.posterior, counts=-1 - model.posterior.counts))
    with pytest.raises(DamagedError) as caught:
        GlobalModel.from_bytes(wrong.to_bytes(), lsa.codebook)
    assert caught.value.code == "damaged-model"
