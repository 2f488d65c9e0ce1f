"""Predicting numbers: bins, the median, Eq. (6) in judging."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from made_up_consortium import WORDS, make, write

from comitia.core.errors import InputError
from comitia.core.units import PPM
from comitia.learning.bins import BinnedTarget
from comitia.learning.global_model import GlobalModel
from comitia.learning.metrics import mae
from comitia.privacy.noise import SeededNoise
from comitia.privacy.terms import PrivacyTerms
from comitia.text.build import build_codebook
from comitia.text.codebook import Codebook
from comitia.text.target import bin_categories, bin_references, classes_of, parse_edges
from comitia.text.vectors import VectorKind

EDGES = parse_edges("0:100:10")
TERMS = PrivacyTerms.of("4", "1e-5")


def documents(count: int, seed: int) -> tuple[list[str], list[str]]:
    """What breaks says what it costs: 5, 30, 55 or 80, and up to 10 more."""
    generator = np.random.Generator(np.random.PCG64(seed))
    kinds = generator.integers(0, len(WORDS), count)
    costs = 5 + 25 * kinds + generator.uniform(0, 10, count)
    return [write(generator, int(kind)) for kind in kinds], [f"{cost:.2f}" for cost in costs]


@pytest.fixture(scope="module")
def book() -> Codebook:
    texts, costs = documents(40, 3)
    made = build_codebook(
        documents(200, 1)[0],
        bin_categories(EDGES),
        references=bin_references(EDGES, list(zip(texts, costs, strict=True))),
    )
    return replace(made, edges=EDGES)


@pytest.fixture(scope="module")
def model(book: Codebook) -> GlobalModel:
    texts, costs = documents(1500, 2)
    labels = classes_of(book, costs).labels
    release = BinnedTarget().train(book, book.vectorize(texts), labels, TERMS, SeededNoise(b"r"))
    return BinnedTarget().combine(book, [release])


def test_texts_tell_their_cost(model: GlobalModel) -> None:
    texts, costs = documents(200, 5)
    truth = [float(cost) for cost in costs]
    error = mae(truth, model.predict_values(texts))
    assert error < mae(truth, [float(np.median(truth))] * len(truth)) / 2


def test_predictions_stay_within_the_public_range(model: GlobalModel) -> None:
    values = model.predict_values(["", "zzz", "pump " * 50])
    assert ((values >= 0) & (values <= 100)).all()


def test_references_judge_by_the_distance_over_the_range(book: Codebook) -> None:
    texts, costs = documents(1500, 2)
    labels = classes_of(book, costs).labels
    train = BinnedTarget().train
    honest, reversed_ = (
        BinnedTarget().judge(book, train(book, book.vectorize(texts), each, TERMS, SeededNoise(b"j")))
        for each in (labels, 9 - labels)
    )
    assert honest.reference_loss_ppm is not None
    assert reversed_.reference_loss_ppm is not None
    assert honest.reference_loss_ppm < PPM // 5 < reversed_.reference_loss_ppm


def test_a_model_of_categories_predicts_no_numbers() -> None:
    known = make(VectorKind.LSA)
    with pytest.raises(InputError) as caught:
        BinnedTarget().combine(known.codebook, ()).predict_values(["pump"])
    assert caught.value.code == "no-target"
