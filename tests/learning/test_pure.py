"""Releases with pure privacy: Laplace noise on sums of vectors that are shortened in the L1 norm."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_up_consortium import Consortium, make, make_opaque

from comitia.core.errors import InputError, ProtocolError
from comitia.learning.class_sums import class_sums
from comitia.learning.contract import Learner
from comitia.learning.energy import energy
from comitia.learning.feasible import require_noise
from comitia.learning.local_model import LocalModel
from comitia.learning.metrics import macro_auc
from comitia.learning.pure_sums import l1_bound, l1_sensitivity, shortened
from comitia.learning.registry import LEARNERS
from comitia.learning.signal import signal
from comitia.learning.wire import parse_release, release_bytes
from comitia.learning.worth import effective_references
from comitia.privacy.accountant import Total, cost_of
from comitia.privacy.mechanisms import laplace
from comitia.privacy.noise import SeededNoise
from comitia.privacy.receipt import Mechanism
from comitia.privacy.released import Released
from comitia.privacy.terms import PrivacyTerms, Unit
from comitia.text.vectors import VectorKind

PURE = PrivacyTerms.of("4", "0")
PURE_LEARNERS = sorted(name for name, each in LEARNERS.items() if each.pure)


@pytest.fixture(scope="module", params=list(VectorKind))
def consortium(request: pytest.FixtureRequest) -> Consortium:
    return make(request.param)


def train(learner: Learner, consortium: Consortium, terms: PrivacyTerms = PURE) -> Released[LocalModel]:
    return learner.train(consortium.codebook, consortium.vectors, consortium.labels, terms, SeededNoise(b"pure"))


@pytest.mark.parametrize("name", PURE_LEARNERS)
def test_a_pure_release_says_so_and_passes_the_wire(name: str, consortium: Consortium) -> None:
    learner, book = LEARNERS[name], consortium.codebook
    release = train(learner, consortium)
    assert release.receipt.mechanism == Mechanism.LAPLACE
    assert release.receipt.terms == PURE
    assert release.receipt.sensitivity == l1_sensitivity(book)
    again = parse_release(release_bytes(release), learner=learner, codebook=book, allow_seeded=True)
    assert release_bytes(again) == release_bytes(release)
    model = learner.combine(book, [again])
    assert macro_auc(consortium.labels, model.log_scores(consortium.vectors)) > 0.6


@settings(max_examples=60)
@given(row=st.integers(0, 399), text=st.text(max_size=30) | st.just("pump hose pump hose"), label=st.integers(0, 3))
def test_replacing_any_document_moves_the_sums_by_the_sensitivity_at_most(
    consortium: Consortium, row: int, text: str, label: int
) -> None:
    book, vectors, labels = consortium.codebook, consortium.vectors.copy(), consortium.labels.copy()
    before = class_sums(book, shortened(book, vectors), labels)
    vectors[row], labels[row] = book.vectorize([text])[0], label
    moved = class_sums(book, shortened(book, vectors), labels) - before
    assert np.abs(moved).sum() <= l1_sensitivity(book)


@given(vector=st.lists(st.integers(-(2**14), 2**14), min_size=4, max_size=4))
def test_no_vector_stays_longer_than_the_bound_and_short_ones_stay(consortium: Consortium, vector: list[int]) -> None:
    book = consortium.codebook
    grid = np.array([vector + [0] * (book.rank - len(vector))], dtype=np.int32)
    (short,) = shortened(book, grid)
    length = np.abs(grid.astype(np.int64)).sum()
    assert np.abs(short).sum() <= l1_bound(book)
    assert (short == grid).all() or length > l1_bound(book)


def test_without_anything_public_half_of_the_longest_is_the_bound() -> None:
    book = replace(make_opaque().codebook, pool_documents=0)
    assert l1_bound(book) == int(book.rank**0.5 * 2**book.grid_bits / 2)


def test_users_pay_for_all_their_documents(consortium: Consortium) -> None:
    terms = replace(PURE, unit=Unit.USER, records_per_user=3)
    release = train(LEARNERS["prototype"], consortium, terms)
    assert release.receipt.sensitivity == 3 * l1_sensitivity(consortium.codebook)


def test_the_noise_is_as_wide_as_the_receipt_says(consortium: Consortium) -> None:
    book = consortium.codebook
    release = train(LEARNERS["prototype"], consortium)
    noise = release.value.values - class_sums(book, shortened(book, consortium.vectors), consortium.labels)
    assert noise.astype(np.float64).std() == pytest.approx(release.receipt.variance**0.5, rel=0.2)
    judged = signal(book, release)
    assert judged is not None
    assert judged.z_micro > 3_000_000


def test_pure_and_gaussian_releases_are_totalled_apart(consortium: Consortium) -> None:
    terms = [PrivacyTerms.of("4", delta) for delta in ("0", "1e-5")]
    totals = Total()
    for receipt in [train(LEARNERS["prototype"], consortium, each).receipt for each in terms]:
        totals += cost_of(receipt.epsilon_micro, receipt.delta_pico)
    assert totals.pure_micro == 4_000_000
    assert totals.mu_squared > 0


@pytest.mark.parametrize("epsilon", ["0.5", "4"])
def test_honest_pure_releases_are_as_long_as_their_noise_makes_them(consortium: Consortium, epsilon: str) -> None:
    """Squares of Laplace noise scatter more than those of Gaussian noise: within four of their own deviations."""
    learner, terms = LEARNERS["prototype"], PrivacyTerms.of(epsilon, "0")
    for seed in range(20):
        noise = SeededNoise(bytes([seed]))
        release = learner.train(consortium.codebook, consortium.vectors, consortium.labels, terms, noise)
        found = energy(consortium.codebook, release)
        assert found.excess_micro < 4_000_000
        assert found.left_micro > -4_000_000


def test_pure_sharing_is_foretold_to_be_worth_less(consortium: Consortium) -> None:
    counts = np.full((3, 4), 50.0)
    pure, usual = (
        effective_references(consortium.codebook, counts, PrivacyTerms.of("1", delta)) for delta in ("0", "1e-5")
    )
    assert (pure < usual).all()


def test_a_receipt_for_a_smaller_sensitivity_is_refused(consortium: Consortium) -> None:
    honest = train(LEARNERS["prototype"], consortium)
    cheap = laplace(
        np.asarray(honest.value.values),
        l1_sensitivity=1,
        terms=PURE,
        noise=SeededNoise(b"cheap"),
        grid_bits=consortium.codebook.grid_bits,
    ).map(lambda values: replace(honest.value, values=values))
    with pytest.raises(ProtocolError) as caught:
        parse_release(
            release_bytes(cheap), learner=LEARNERS["prototype"], codebook=consortium.codebook, allow_seeded=True
        )
    assert caught.value.code == "receipt-mismatch"


@pytest.mark.parametrize("epsilon", ["0.1", "1", "8"])
def test_one_honest_document_is_never_implausible(consortium: Consortium, epsilon: str) -> None:
    learner, book = LEARNERS["prototype"], consortium.codebook
    for seed in range(20):
        release = learner.train(
            book,
            consortium.vectors[:1],
            consortium.labels[:1],
            PrivacyTerms.of(epsilon, "0"),
            SeededNoise(bytes([seed])),
        )
        parse_release(release_bytes(release), learner=learner, codebook=book, allow_seeded=True)


def test_a_learner_without_a_proof_refuses_before_anything_is_reserved(consortium: Consortium) -> None:
    with pytest.raises(InputError) as caught:
        require_noise(LEARNERS["softmax"], consortium.codebook, PURE)
    assert caught.value.code == "not-pure"


def test_noise_that_cannot_be_drawn_is_refused_before_anything_is_reserved(consortium: Consortium) -> None:
    terms = PrivacyTerms(epsilon_micro=999_983, delta_pico=0, unit=Unit.USER, records_per_user=1_000_000)
    with pytest.raises(InputError) as caught:
        require_noise(LEARNERS["prototype"], consortium.codebook, terms)
    assert caught.value.code == "noise-too-large"
