from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_up_consortium import Consortium

from comitia.core.errors import InputError
from comitia.learning.class_sums import class_sums, sensitivity_squared
from comitia.learning.metrics import auc_by_class
from comitia.learning.prototype import Prototype
from comitia.learning.registry import LEARNERS, learner
from comitia.privacy.noise import SeededNoise
from comitia.privacy.terms import PrivacyTerms, Unit
from comitia.text.vectors import VectorKind

TERMS = PrivacyTerms.of("1", "1e-5")


def test_the_sums_are_those_of_the_documents_and_every_category_has_a_row(consortium: Consortium) -> None:
    vectors, labels = consortium.vectors, np.where(consortium.labels == 2, 0, consortium.labels)
    sums = class_sums(consortium.codebook, vectors, labels)
    kappa = 1 if consortium.codebook.kind is VectorKind.LSA else Fraction(1, 2)
    for label in range(4):
        np.testing.assert_array_equal(sums[label, :-1], vectors[labels == label].sum(axis=0))
        assert sums[label, -1] == kappa * int((labels == label).sum()) * 2**consortium.codebook.grid_bits
    assert not sums[2].any()


def test_sensitivity_is_2_for_lsa_and_1_581_for_tf(consortium: Consortium) -> None:
    one = 4**consortium.codebook.grid_bits
    expected = 4 if consortium.codebook.kind is VectorKind.LSA else 2.5
    assert sensitivity_squared(consortium.codebook) == expected * one


@settings(max_examples=60)
@given(row=st.integers(0, 399), text=st.text(max_size=30) | st.just("pump hose pump hose"), label=st.integers(0, 3))
def test_replacing_any_document_moves_the_sums_by_the_sensitivity_at_most(
    consortium: Consortium, row: int, text: str, label: int
) -> None:
    vectors, labels = consortium.vectors.copy(), consortium.labels.copy()
    before = class_sums(consortium.codebook, vectors, labels)
    vectors[row], labels[row] = consortium.codebook.vectorize([text])[0], label
    moved = class_sums(consortium.codebook, vectors, labels) - before
    assert int((moved**2).sum()) <= sensitivity_squared(consortium.codebook)


def test_the_worst_replacement_reaches_the_sensitivity(lsa: Consortium) -> None:
    """The bound is tight: opposite unit vectors, or unit vectors in two categories."""
    one = 2**lsa.codebook.grid_bits
    unit = np.zeros((1, lsa.codebook.rank), dtype=np.int32)
    unit[0, 0] = one
    first, second, other = (
        class_sums(lsa.codebook, vector, np.array([label])) for vector, label in ((unit, 0), (-unit, 0), (unit, 1))
    )
    assert int(((first - second) ** 2).sum()) == int(((first - other) ** 2).sum()) == sensitivity_squared(lsa.codebook)


def test_the_receipt_states_what_was_paid(consortium: Consortium) -> None:
    receipt = consortium.release(epsilon="2").receipt
    assert (receipt.epsilon_micro, receipt.unit) == (2_000_000, Unit.RECORD)
    assert receipt.sensitivity == sensitivity_squared(consortium.codebook)
    sigma = (receipt.sigma_squared / 4**receipt.grid_bits) ** 0.5
    assert sigma == pytest.approx(3.99 if consortium.codebook.kind is VectorKind.LSA else 3.99 * 1.581 / 2, abs=0.01)


def test_the_declared_rows_come_from_the_noised_counts(lsa: Consortium) -> None:
    """The true number would tell exactly whether a document has a label of the codebook."""
    for terms in (PrivacyTerms.of("4", "1e-5"), PrivacyTerms.of("4", "1e-5", unit=Unit.USER, records_per_user=3)):
        release = Prototype().train(lsa.codebook, lsa.vectors, lsa.labels, terms, SeededNoise(b"rows"))
        counted = int(release.value.values[:, -1].sum()) >> lsa.codebook.grid_bits
        assert release.value.rows == counted != len(lsa.labels)
        assert release.receipt.sensitivity == terms.records_per_user**2 * sensitivity_squared(lsa.codebook)


def test_sharing_teaches_codes_of_which_nothing_is_public(opaque: Consortium) -> None:
    shares = [opaque.release(slice(start, None, 4), seed=bytes([start])) for start in range(4)]
    alone, together = (
        auc_by_class(opaque.labels, Prototype().combine(opaque.codebook, accepted).log_scores(opaque.vectors))
        for accepted in ((), shares)
    )
    assert alone.tolist() == [0.5] * 4
    assert together.min() > 0.97


@pytest.mark.parametrize(
    ("rows", "labels", "code"),
    [
        (0, [], "no-documents"),
        (2, [0, 4], "unknown-label"),
        (2, [0, -1], "unknown-label"),
        (2, [0], "bad-labels"),
    ],
)
def test_a_bad_training_set_is_refused(lsa: Consortium, rows: int, labels: list[int], code: str) -> None:
    with pytest.raises(InputError) as caught:
        Prototype().train(lsa.codebook, lsa.vectors[:rows], np.array(labels, dtype=np.int64), TERMS, SeededNoise(b""))
    assert caught.value.code == code


def test_vectors_that_are_not_the_codebooks_are_refused(lsa: Consortium) -> None:
    too_long = lsa.vectors.copy()
    too_long[5] *= 2
    for vectors in (too_long, lsa.vectors[:, :-1], lsa.vectors.astype(np.float64)):
        with pytest.raises(InputError) as caught:
            Prototype().train(lsa.codebook, vectors, lsa.labels, TERMS, SeededNoise(b""))  # type: ignore[arg-type]
        assert caught.value.code == "bad-vectors"


@pytest.mark.parametrize("rows", [[0], [0, 1]])
def test_one_document_or_empty_texts_are_enough(consortium: Consortium, rows: list[int]) -> None:
    vectors = consortium.codebook.vectorize([""] * len(rows))
    release = Prototype().train(
        consortium.codebook, vectors, np.zeros(len(rows), dtype=np.int64), TERMS, SeededNoise(b"")
    )
    model = Prototype().combine(consortium.codebook, [release])
    assert np.isfinite(model.predict_proba(["pump", ""])).all()


def test_an_unknown_learner_is_refused_and_the_known_ones_listed() -> None:
    assert learner("prototype") is LEARNERS["prototype"]
    with pytest.raises(InputError) as caught:
        learner("os.system")
    assert caught.value.code == "unknown-learner"
    assert "prototype" in caught.value.hint
