"""Losses that judges measured: what condemns a model, what vouches for one, what ranks them (checks 3, 4 and 8)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import log, sqrt

import pytest

from comitia.consensus.quality import Judgement, judge
from comitia.consensus.rules import QualityRules
from comitia.consensus.score_sheet import Score
from comitia.consensus.tolerance import tolerance_ppm
from comitia.consensus.verdicts import Verdict
from comitia.core.ids import NodeId

AUTHORS = [NodeId(name * 32) for name in "abcdef"]
WITNESSES = [NodeId(name * 32) for name in "56789"]
RULES = QualityRules(quorum=5, faults=2, reference_size=10_000)
USUAL = 100_000
DOCUMENTS = 10_000

Losses = Mapping[NodeId, Sequence[int | None]]


def judged(
    rules: QualityRules,
    *,
    reference: Sequence[int | None] = (None,) * 6,
    holdouts: Losses | None = None,
    sizes: Sequence[int] = (DOCUMENTS,) * 6,
    **signal: int,
) -> Judgement:
    """Six models. `reference` is each one's loss on public references, `holdouts` that on a judge's own documents."""
    sheets = {
        by: tuple(
            Score(
                author=author,
                received=True,
                reference_loss_ppm=reference[number],
                holdout_loss_ppm=loss,
                holdout_size=0 if loss is None else sizes[number],
                **signal,
            )
            for number, author in enumerate(AUTHORS)
            if author != by
            for loss in [(holdouts or {}).get(by, (None,) * 6)[number]]
        )
        for by in [*AUTHORS, *WITNESSES]
    }
    return judge(sheets, dict.fromkeys(AUTHORS, 100), rules, bytes(32), frozenset(WITNESSES))


def verdicts(found: Judgement) -> list[Verdict]:
    return [verdict for _, verdict in found.verdicts]


def bound(documents: int, epsilon_micro: int | None = None) -> int:
    """The loss above which a model is worse than the median of `USUAL`."""
    tolerance = tolerance_ppm(6, documents, beta_ppm=RULES.beta_ppm, epsilon_micro=epsilon_micro)
    assert tolerance is not None
    return USUAL + 2 * tolerance + RULES.margin_ppm


@pytest.mark.parametrize("models", [1, 6])
@pytest.mark.parametrize("documents", [1, 300, 10**6])
@pytest.mark.parametrize("epsilon_micro", [None, 500_000])
def test_the_tolerance_is_the_formula_rounded_up(models: int, documents: int, epsilon_micro: int | None) -> None:
    expected = 1e6 * sqrt(log(4 * models / 0.05) / (2 * documents))
    if epsilon_micro:
        expected += 1e6 * models / (documents * epsilon_micro / 1e6) * log(2 * models / 0.05)
    found = tolerance_ppm(models, documents, beta_ppm=50_000, epsilon_micro=epsilon_micro)
    assert found is not None
    assert expected - 1e-3 <= found <= expected + 2


def test_nothing_measured_has_no_tolerance() -> None:
    assert tolerance_ppm(6, 0, beta_ppm=50_000) is None
    assert tolerance_ppm(0, 6, beta_ppm=50_000) is None


@pytest.mark.parametrize(("above", "verdict"), [(0, Verdict.ACCEPT), (1, Verdict.REJECT)])
def test_a_loss_on_the_references_far_above_the_median_rejects(above: int, verdict: Verdict) -> None:
    found = judged(RULES, reference=[bound(RULES.reference_size) + above, *[USUAL] * 5])
    assert verdicts(found) == [verdict, *[Verdict.ACCEPT] * 5]


def test_references_vouch_for_nothing_where_there_is_a_signal() -> None:
    """A release that says nothing leaves every loss as public knowledge has it."""
    signal = {"signal_micro": 2_000_000, "expected_micro": 10_000_000}
    assert set(verdicts(judged(RULES, reference=[USUAL] * 6, **signal))) == {Verdict.UNVERIFIABLE}
    worse = [bound(RULES.reference_size) + 1, *[USUAL] * 5]
    assert verdicts(judged(RULES, reference=worse, **signal))[0] is Verdict.REJECT


@pytest.mark.parametrize(("narrower", "verdict"), [(0, Verdict.ACCEPT), (1, Verdict.UNVERIFIABLE)])
def test_too_few_references_cannot_tell(narrower: int, verdict: Verdict) -> None:
    tolerance = tolerance_ppm(6, RULES.reference_size, beta_ppm=RULES.beta_ppm)
    assert tolerance is not None
    rules = replace(RULES, widest_tolerance_ppm=tolerance - narrower)
    assert set(verdicts(judged(rules, reference=[USUAL] * 6))) == {verdict}
    assert set(verdicts(judged(replace(RULES, reference_size=0), reference=[USUAL] * 6))) == {Verdict.UNVERIFIABLE}


@pytest.mark.parametrize(
    ("faults", "condemning", "of", "verdict"),
    [
        (2, 3, 5, Verdict.REJECT),
        (2, 2, 5, Verdict.ACCEPT),
        (2, 2, 3, Verdict.ACCEPT),  # most of them, but two may lie
        (0, 1, 2, Verdict.ACCEPT),  # more than may lie, but not most
        (0, 2, 3, Verdict.REJECT),
        (2, 0, 3, Verdict.ACCEPT),
        (2, 0, 2, Verdict.UNVERIFIABLE),  # so few may all lie
    ],
)
def test_others_documents_condemn_by_majority_and_beyond_the_faults(
    faults: int, condemning: int, of: int, verdict: Verdict
) -> None:
    rows = {
        by: [bound(DOCUMENTS) + 1 if number < condemning else USUAL, *[USUAL] * 5]
        for number, by in enumerate(WITNESSES[:of])
    }
    found = judged(replace(RULES, faults=faults), holdouts=rows)
    assert verdicts(found)[0] is verdict


@pytest.mark.parametrize(("epsilon_micro", "above", "verdict"), [(4_000_000, 0, "accept"), (4_000_000, 1, "reject")])
def test_providers_own_documents_count_with_the_noise_that_was_paid_for(
    epsilon_micro: int, above: int, verdict: str
) -> None:
    loss = bound(DOCUMENTS, epsilon_micro) + above
    rows = {by: [loss, *[USUAL] * 5] for by in AUTHORS[1:]}
    rules = replace(RULES, holdout_epsilon_micro=epsilon_micro)
    assert verdicts(judged(rules, holdouts=rows))[0] == verdict
    unpaid = replace(rules, holdout_epsilon_micro=0)
    assert set(verdicts(judged(unpaid, holdouts=rows))) == {Verdict.UNVERIFIABLE}


def test_a_row_is_judged_by_its_smallest_hold_out() -> None:
    rows = {by: [USUAL] * 6 for by in WITNESSES}
    assert set(verdicts(judged(RULES, holdouts=rows))) == {Verdict.ACCEPT}
    one_small = [DOCUMENTS] * 5 + [10]
    assert set(verdicts(judged(RULES, holdouts=rows, sizes=one_small))) == {Verdict.UNVERIFIABLE}


def losses(found: Judgement) -> list[int]:
    return [loss for _, loss in found.losses_ppm]


def test_a_models_error_is_the_median_of_what_is_public() -> None:
    rows = {WITNESSES[0]: [400_000] * 6, AUTHORS[0]: [990_000] * 6}
    rules = replace(RULES, holdout_epsilon_micro=4_000_000)
    assert set(losses(judged(rules, reference=[200_000] * 6, holdouts=rows))) == {300_000}
    assert set(losses(judged(rules, reference=[200_000] * 6))) == {200_000}


def test_what_was_not_received_has_the_largest_error_whatever_a_few_have_measured() -> None:
    line = Score(author=AUTHORS[0], received=True, reference_loss_ppm=USUAL)
    found = judge({by: [line] for by in AUTHORS[1:4]}, {AUTHORS[0]: 100}, RULES, bytes(32))
    assert found.verdicts == ((AUTHORS[0], Verdict.NOT_RECEIVED),)
    assert losses(found) == [1_000_000]


def test_else_it_is_the_median_of_others_rows_that_can_tell() -> None:
    rows = {by: [100_000 * number] * 6 for number, by in enumerate(AUTHORS[1:], start=1)}
    rules = replace(RULES, holdout_epsilon_micro=4_000_000)
    assert losses(judged(rules, holdouts=rows))[0] == 300_000
    assert set(losses(judged(rules, holdouts=rows, sizes=[100] * 6))) == {1_000_000}
    assert set(losses(judged(RULES, holdouts=rows))) == {1_000_000}
    tolerance = tolerance_ppm(6, DOCUMENTS, beta_ppm=RULES.beta_ppm, epsilon_micro=4_000_000)
    assert tolerance is not None
    for narrower, loss in ((0, 300_000), (1, 1_000_000)):
        assert losses(judged(replace(rules, widest_tolerance_ppm=tolerance - narrower), holdouts=rows))[0] == loss


@pytest.mark.parametrize(
    ("signal_micro", "expected_micro", "loss"),
    [
        (2_500_000, 10_000_000, 750_000),
        (20_000_000, 10_000_000, 0),  # scaled up, and no better for it
        (-1, 10_000_000, 1_000_000),
        (5_000_000, 0, 1_000_000),
    ],
)
def test_else_it_is_what_the_signal_lacks(signal_micro: int, expected_micro: int, loss: int) -> None:
    found = judged(RULES, signal_micro=signal_micro, expected_micro=expected_micro)
    assert set(losses(found)) == {loss}
