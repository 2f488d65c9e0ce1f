"""Losses that judges measured: what condemns a model, what vouches for one, what ranks them (checks 3 and 7)."""

from __future__ import annotations

from collections.abc import Sequence
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
RULES = QualityRules(quorum=5, reference_size=10_000)
USUAL = 100_000


def judged(
    rules: QualityRules,
    *,
    reference: Sequence[int | None] = (None,) * 6,
    **signal: int,
) -> Judgement:
    """Six models. `reference` is each one's loss on public references."""
    sheets = {
        by: tuple(
            Score(
                author=author,
                received=True,
                reference_loss_ppm=reference[number],
                **signal,
            )
            for number, author in enumerate(AUTHORS)
            if author != by
        )
        for by in [*AUTHORS, *WITNESSES]
    }
    return judge(sheets, dict.fromkeys(AUTHORS, 100), rules, bytes(32), frozenset(WITNESSES))


def verdicts(found: Judgement) -> list[Verdict]:
    return [verdict for _, verdict in found.verdicts]


def bound(documents: int) -> int:
    """The loss above which a model is worse than the median of `USUAL`."""
    tolerance = tolerance_ppm(6, documents, beta_ppm=RULES.beta_ppm)
    assert tolerance is not None
    return USUAL + 2 * tolerance + RULES.margin_ppm


@pytest.mark.parametrize("models", [1, 6])
@pytest.mark.parametrize("documents", [1, 300, 10**6])
def test_the_tolerance_is_the_formula_rounded_up(models: int, documents: int) -> None:
    expected = 1e6 * sqrt(log(4 * models / 0.05) / (2 * documents))
    found = tolerance_ppm(models, documents, beta_ppm=50_000)
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


def losses(found: Judgement) -> list[int]:
    return [loss for _, loss in found.losses_ppm]


def test_a_models_error_is_its_loss_on_the_references() -> None:
    assert set(losses(judged(RULES, reference=[200_000] * 6))) == {200_000}


def test_what_was_not_received_has_the_largest_error_whatever_a_few_have_measured() -> None:
    line = Score(author=AUTHORS[0], received=True, reference_loss_ppm=USUAL)
    found = judge({by: [line] for by in AUTHORS[1:4]}, {AUTHORS[0]: 100}, RULES, bytes(32))
    assert found.verdicts == ((AUTHORS[0], Verdict.NOT_RECEIVED),)
    assert losses(found) == [1_000_000]


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
