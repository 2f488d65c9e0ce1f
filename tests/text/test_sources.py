"""Codebooks whose vectors are not made from a pool's words: hashed parts of words, and a sentence encoder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_up_encoder import made_up_encoder

from comitia.app.export.onnx_graph import Input, onnx_bytes
from comitia.core.errors import DamagedError, InputError, UnavailableError
from comitia.evaluation.federation import federate
from comitia.learning.registry import LEARNERS
from comitia.privacy.noise import SeededNoise
from comitia.privacy.terms import PrivacyTerms
from comitia.text.build import BuildSettings, build_codebook
from comitia.text.categories import Category
from comitia.text.codebook import Codebook
from comitia.text.comparison import compare
from comitia.text.confusion import leaf_confusion
from comitia.text.grams import BUCKETS, gram_weights
from comitia.text.probe import probe
from comitia.text.vectors import Source, VectorKind

CATEGORIES = [Category(label="hyd", name="hydraulic hose pump"), Category(label="eng", name="turbo engine")]
REFERENCES = [("hydraulic hose leaks oil", "hyd"), ("turbo makes smoke", "eng")]
POOL = ["hydraulic pump leaks", "engine smokes at start", "oil in the turbo", "hose burst again"] * 3


def without_pool() -> Codebook:
    return build_codebook((), CATEGORIES, references=REFERENCES, settings=BuildSettings(source=Source.NONE))


def encoded(pool: list[str]) -> Codebook:
    chosen = BuildSettings(source=Source.ENCODER, lsa_rank=8)
    return build_codebook(pool, CATEGORIES, references=REFERENCES, settings=chosen, encoder=made_up_encoder())


@pytest.fixture(scope="module", params=["none", "encoder", "encoder and pool"])
def book(request: pytest.FixtureRequest) -> Codebook:
    return {"none": without_pool, "encoder": lambda: encoded([]), "encoder and pool": lambda: encoded(POOL)}[
        request.param
    ]()


@given(texts=st.lists(st.text(max_size=40) | st.sampled_from(POOL), min_size=1, max_size=6))
@settings(max_examples=40)
def test_no_vector_is_longer_or_farther_than_proven(book: Codebook, texts: list[str]) -> None:
    """Eq. (5): the sensitivities rest on these bounds, whatever the texts."""
    vectors = book.vectorize(texts).astype(np.int64)
    assert ((vectors**2).sum(axis=1) <= book.norm_bound_squared).all()
    assert ((vectors[:, None] - vectors[None]) ** 2).sum(axis=2).max() <= book.difference_bound_squared


def test_a_codebook_survives_its_bytes(book: Codebook) -> None:
    again = Codebook.from_bytes(book.to_bytes())
    assert again == book
    assert (again.source, again.encoder) == (book.source, book.encoder)
    ready = replace(again, sentences=book.sentences)
    assert (ready.vectorize(POOL) == book.vectorize(POOL)).all()


def test_like_texts_lie_closer_and_an_empty_one_nowhere(book: Codebook) -> None:
    one, like, other, empty = book.vectorize(["hydraulic pump", "hydraulic pumps", "smoking engine", " "]).astype(int)
    assert one @ like > one @ other
    assert not empty.any()


def test_requests_in_words_and_comparisons_need_no_known_word(book: Codebook) -> None:
    assert probe(book, ["hydraulics pumped"], 1).categories
    assert compare(book, book).same
    assert all(move.moved < 1e-9 for move in compare(book, replace(book, public_only_auc_ppm=1)).moves)


def test_a_model_leaves_as_onnx_that_takes_vectors(book: Codebook) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    vectors, labels = book.vectorize(POOL), np.arange(len(POOL)) % 2
    model, _ = federate(
        LEARNERS["prototype"], book, [(vectors, labels)], PrivacyTerms.of("4", "1e-5"), SeededNoise(b"")
    )
    session = onnxruntime.InferenceSession(onnx_bytes(model, Input.VECTORS), providers=["CPUExecutionProvider"])
    (label,) = session.run(["label"], {"vectors": vectors})
    assert label.tolist() == model.predict(POOL).tolist()
    with pytest.raises(InputError) as caught:
        onnx_bytes(model, Input.WORDS)
    assert caught.value.code == "no-words"


def test_grams_of_a_bucket_add_up_and_function_words_do_not_count() -> None:
    matrix = gram_weights(["pump", "the pump", "", "pump pump"])
    once, again, empty, twice = matrix.dense()
    assert matrix.width == BUCKETS
    assert (once == again).all()
    assert not empty.any()
    assert np.abs(twice[twice != 0]) == pytest.approx(1 + np.log(2))
    assert np.count_nonzero(once) == 3  # ^pum, pump, ump$


def test_the_pool_knows_nothing_where_there_is_none() -> None:
    book = without_pool()
    assert book.pool_documents == 0
    assert not book.pool_mean.any()
    assert len(set(book.pool_variance.tolist())) == 1
    assert [leaf.label for leaf in book.leaves] == ["hyd", "eng"]


def test_a_reference_without_a_known_word_says_nothing_of_how_leaves_are_confused() -> None:
    categories = [Category(label="a", name="pump hose"), Category(label="b"), Category(label="c", name="turbo")]
    references = [("!!", "b"), ("pump", "a"), ("pump smoke", "c")]
    book = build_codebook([], categories, references=references, settings=BuildSettings(source=Source.NONE))
    assert [leaf.label for leaf in book.leaves] == ["a", "c"]
    found = leaf_confusion(book)
    assert found.sum(axis=1).tolist() == pytest.approx([1, 1])
    assert found[0, 0] == 1


def test_opaque_codes_alone_make_a_codebook_without_words() -> None:
    book = build_codebook((), [Category(label="A1")], settings=BuildSettings(source=Source.NONE))
    assert book.vocabulary == ()
    assert book.vectorize(["hydraulic pump"]).any()
    assert leaf_confusion(book).shape == (0, 0)
    assert compare(book, book).vocabulary_overlap == 0


@pytest.mark.parametrize("change", [{"kind": VectorKind.TF}, {"encoder": b""}, {"encoder": bytes(31)}])
def test_a_codebook_that_breaks_its_proof_is_refused(change: dict[str, object]) -> None:
    """Vectors with signs may be opposite: for them the bound of kind tf does not hold."""
    with pytest.raises(DamagedError) as caught:
        replace(encoded([]), **change)
    assert caught.value.code == "codebook-damaged"


@pytest.mark.parametrize(
    ("source", "pool", "encoder"),
    [(Source.NONE, POOL, False), (Source.ENCODER, [], False), (Source.POOL, POOL, True), (Source.NONE, [], True)],
)
def test_a_source_with_what_does_not_go_with_it_is_refused(source: Source, pool: list[str], encoder: bool) -> None:
    chosen = BuildSettings(source=source)
    with pytest.raises(InputError) as caught:
        build_codebook(pool, CATEGORIES, settings=chosen, encoder=made_up_encoder() if encoder else None)
    assert caught.value.code == "bad-build-settings"


def test_signed_vectors_of_kind_tf_are_refused_before_they_are_built() -> None:
    with pytest.raises(InputError) as caught:
        BuildSettings(source=Source.NONE, kind=VectorKind.TF)
    assert caught.value.code == "bad-build-settings"


def test_without_its_encoder_a_codebook_says_so(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError) as caught:
        Codebook.from_bytes(encoded([]).to_bytes()).vectorize(["hose"])
    assert caught.value.code == "encoder-missing"
