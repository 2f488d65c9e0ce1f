"""What every learner keeps to. A new one is picked up from the registry."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_up_consortium import Consortium, make, make_opaque

from comitia.core.errors import DamagedError, InputError, ProtocolError
from comitia.learning.contract import Learner
from comitia.learning.global_model import GlobalModel
from comitia.learning.local_model import LocalModel
from comitia.learning.metrics import macro_auc
from comitia.learning.registry import LEARNERS
from comitia.learning.wire import parse_release, release_bytes
from comitia.privacy.noise import SeededNoise
from comitia.privacy.released import Released
from comitia.privacy.terms import PrivacyTerms, Unit
from comitia.text.vectors import VectorKind

TERMS = PrivacyTerms.of("4", "1e-5")


@pytest.fixture(scope="module", params=sorted(LEARNERS))
def learner(request: pytest.FixtureRequest) -> Learner:
    return LEARNERS[request.param]


@pytest.fixture(scope="module", params=list(VectorKind))
def consortium(request: pytest.FixtureRequest) -> Consortium:
    return make(request.param)


def releases(learner: Learner, consortium: Consortium, given: GlobalModel | None = None) -> list[Released[LocalModel]]:
    book, vectors, labels = consortium.codebook, consortium.vectors, consortium.labels
    return [
        learner.train(book, vectors[start::4], labels[start::4], TERMS, SeededNoise(bytes([start])), given)
        for start in range(4)
    ]


@pytest.fixture(scope="module")
def model(learner: Learner, consortium: Consortium) -> GlobalModel:
    made = None
    for _ in range(learner.rounds):
        made = learner.combine(consortium.codebook, releases(learner, consortium, made), made)
    assert made is not None
    return made


def test_a_release_has_a_receipt_that_its_learner_and_the_wire_agree_with(
    learner: Learner, consortium: Consortium
) -> None:
    book = consortium.codebook
    release = releases(learner, consortium)[0]
    assert isinstance(release, Released)
    assert release.value.values.shape == learner.shape(book)
    assert release.receipt.sensitivity == learner.sensitivity_squared(book)
    assert release.receipt.terms == TERMS
    again = parse_release(release_bytes(release), learner=learner, codebook=book, allow_seeded=True)
    np.testing.assert_array_equal(again.value.values, release.value.values)
    assert release_bytes(again) == release_bytes(release)
    with pytest.raises(ProtocolError):
        parse_release(release_bytes(release), learner=learner, codebook=book)


def test_a_learner_says_whether_it_has_pure_privacy(learner: Learner, consortium: Consortium) -> None:
    assert learner.pure == (learner.l1_sensitivity(consortium.codebook) is not None)
    made = partial(learner.train, consortium.codebook, consortium.vectors, consortium.labels, PrivacyTerms.of("4"))
    if learner.pure:
        assert made(SeededNoise(b"pure")).receipt.terms.pure
    else:
        with pytest.raises(InputError):
            made(SeededNoise(b"pure"))


def test_a_release_served_again_is_the_same_bit_for_bit(learner: Learner, consortium: Consortium) -> None:
    assert [release_bytes(release) for release in releases(learner, consortium)] == [
        release_bytes(release) for release in releases(learner, consortium)
    ]


def test_the_noise_is_on_the_statistic(learner: Learner, consortium: Consortium) -> None:
    """What is released is the statistic and noise of the receipt's size, nothing less."""
    book, vectors, labels = consortium.codebook, consortium.vectors, consortium.labels
    release = learner.train(book, vectors, labels, TERMS, SeededNoise(b"n"))
    noise = (release.value.values - learner.statistic(book, vectors, labels)).astype(np.float64)
    assert noise.std() == pytest.approx(release.receipt.sigma_squared**0.5, rel=0.35)


@settings(max_examples=25)
@given(row=st.integers(0, 399), text=st.text(max_size=30) | st.just("pump hose pump hose"), label=st.integers(0, 3))
def test_replacing_any_document_moves_the_statistic_by_the_sensitivity_at_most(
    learner: Learner, consortium: Consortium, row: int, text: str, label: int
) -> None:
    book, vectors, labels = consortium.codebook, consortium.vectors.copy(), consortium.labels.copy()
    before = learner.statistic(book, vectors, labels)
    vectors[row], labels[row] = book.vectorize([text])[0], label
    moved = learner.statistic(book, vectors, labels) - before
    assert int((moved**2).sum()) <= learner.sensitivity_squared(book)


def test_the_worst_replacements_stay_within_the_sensitivity_at_any_given_model(
    learner: Learner, consortium: Consortium, model: GlobalModel
) -> None:
    """Vectors as long as they may be, in every category, at the model of the last round."""
    book = consortium.codebook
    long = np.zeros((4, book.rank), dtype=np.int32)
    long[range(4), [0, 1, 0, 1]] = [1 << book.grid_bits, 1 << book.grid_bits, -(1 << book.grid_bits), 0]
    alone = [
        learner.statistic(book, long[[row]], np.array([label]), model)
        for row in range(4 if book.kind is VectorKind.LSA else 2)
        for label in range(4)
    ]
    worst = max(int(((one - other) ** 2).sum()) for one in alone for other in alone)
    assert worst <= learner.sensitivity_squared(book)


def test_combining_does_not_depend_on_the_order(learner: Learner, consortium: Consortium, model: GlobalModel) -> None:
    accepted = releases(learner, consortium, model)
    made = {learner.combine(consortium.codebook, accepted[turn:] + accepted[:turn], model).digest for turn in range(4)}
    assert len(made) == 1


def test_without_a_release_there_is_public_knowledge(learner: Learner, consortium: Consortium) -> None:
    public = learner.combine(consortium.codebook, ())
    assert np.isfinite(public.log_scores(consortium.vectors)).all()
    assert learner.combine(consortium.codebook, ()).digest == public.digest


def test_sharing_teaches_codes_of_which_nothing_is_public(learner: Learner) -> None:
    opaque = make_opaque()
    book, made = opaque.codebook, None
    public = learner.combine(book, ())
    for _ in range(learner.rounds):
        made = learner.combine(book, releases(learner, opaque, made), made)
    assert made is not None
    alone, together = (macro_auc(opaque.labels, each.log_scores(opaque.vectors)) for each in (public, made))
    assert alone == pytest.approx(0.5, abs=0.05)
    assert together > 0.9


def test_a_model_reads_what_it_wrote_and_answers_the_same(model: GlobalModel, consortium: Consortium) -> None:
    again = GlobalModel.from_bytes(model.to_bytes(), consortium.codebook)
    assert again.digest == model.digest
    texts = ["pump hose leak", "", "zzz"]
    np.testing.assert_array_equal(again.log_scores(texts), model.log_scores(texts))
    np.testing.assert_allclose(again.predict_proba(texts).sum(axis=1), 1)
    assert set(again.predict(texts)) <= set(consortium.codebook.labels)


def test_damaged_bytes_are_refused_or_another_model(model: GlobalModel, consortium: Consortium) -> None:
    data = model.to_bytes()
    for position in range(0, len(data), max(1, len(data) // 120)):
        damaged = data[:position] + bytes([data[position] ^ 0x55]) + data[position + 1 :]
        try:
            read = GlobalModel.from_bytes(damaged, consortium.codebook)
        except DamagedError as error:
            assert error.code in ("damaged-model", "foreign-codebook")
        else:
            assert read.digest != model.digest
    with pytest.raises(DamagedError):
        GlobalModel.from_bytes(data[:-1], consortium.codebook)


def test_judging_is_exact_and_honest_work_beats_random_labels(learner: Learner, consortium: Consortium) -> None:
    book = consortium.codebook
    honest = releases(learner, consortium)[0]
    assert learner.judge(book, honest) == learner.judge(book, honest)
    wrong = np.random.Generator(np.random.PCG64(1)).permutation(consortium.labels)
    bad = learner.train(book, consortium.vectors, (wrong + 1) % 4, TERMS, SeededNoise(b"bad"))
    losses = [learner.judge(book, release).reference_loss_ppm for release in (honest, bad)]
    assert None not in losses
    assert losses[0] < losses[1]  # type: ignore[operator]


@pytest.mark.parametrize(
    ("rows", "labels", "code"),
    [(0, [], "no-documents"), (2, [0, 4], "unknown-label"), (2, [0, -1], "unknown-label"), (2, [0], "bad-labels")],
)
def test_a_bad_training_set_is_refused(
    learner: Learner, consortium: Consortium, rows: int, labels: list[int], code: str
) -> None:
    with pytest.raises(InputError) as caught:
        learner.train(
            consortium.codebook, consortium.vectors[:rows], np.array(labels, dtype=np.int64), TERMS, SeededNoise(b"")
        )
    assert caught.value.code == code


def test_vectors_that_are_not_the_codebooks_are_refused(learner: Learner, consortium: Consortium) -> None:
    too_long = np.full_like(consortium.vectors, 1 << consortium.codebook.grid_bits)
    for vectors in (too_long, consortium.vectors[:, :-1]):
        with pytest.raises(InputError) as caught:
            learner.train(consortium.codebook, vectors, consortium.labels, TERMS, SeededNoise(b""))
        assert caught.value.code == "bad-vectors"


def test_one_empty_document_is_enough(learner: Learner, consortium: Consortium) -> None:
    vectors = consortium.codebook.vectorize([""])
    release = learner.train(consortium.codebook, vectors, np.zeros(1, dtype=np.int64), TERMS, SeededNoise(b""))
    assert np.isfinite(learner.combine(consortium.codebook, [release]).predict_proba(["pump", ""])).all()


def test_protecting_users_costs_their_documents(learner: Learner, consortium: Consortium) -> None:
    terms = replace(TERMS, unit=Unit.USER, records_per_user=3)
    release = learner.train(consortium.codebook, consortium.vectors, consortium.labels, terms, SeededNoise(b"user"))
    assert release.receipt.sensitivity == 9 * learner.sensitivity_squared(consortium.codebook)
