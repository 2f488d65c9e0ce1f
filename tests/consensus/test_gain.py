"""What documents that witnesses keep back can do to a verdict: reject by majority, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from comitia.consensus.gain import Gain, agreed_gains, contributions
from comitia.consensus.quality import Judgement, judge
from comitia.consensus.rules import QualityRules
from comitia.consensus.score_sheet import Score, check_sheet
from comitia.consensus.verdicts import Verdict
from comitia.core.errors import ProtocolError
from comitia.core.ids import NodeId

AUTHORS = [NodeId(name * 32) for name in "abcd"]
KEEPERS = [NodeId(name * 32) for name in "789"]
RULES = QualityRules(quorum=5)

HONEST = (9, 10, 11, 10)
FREE_RIDER = (9, 10, 11, 0)

Gains = Mapping[NodeId, tuple[int, ...]]


def gains_of(author: int, gains: Gains, expected: int = 10) -> tuple[Gain, ...]:
    return tuple(
        Gain(keeper=keeper, gain_micro=z[author] * 10**6, expected_micro=expected * 10**6)
        for keeper, z in sorted(gains.items())
    )


def sheets(gains: Gains, shown_to: int = 7, expected: int = 10) -> dict[NodeId, tuple[Score, ...]]:
    """All find every signal good; `shown_to` of the seven members were shown what was kept back."""
    return {
        by: tuple(
            Score(
                author=author,
                received=True,
                signal_micro=8 * 10**6,
                expected_micro=10**7,
                gains=gains_of(number, gains, expected) if place < shown_to else (),
            )
            for number, author in enumerate(AUTHORS)
            if author != by
        )
        for place, by in enumerate([*KEEPERS, *AUTHORS])
    }


def judged(posted: dict[NodeId, tuple[Score, ...]], keepers: list[NodeId], rules: QualityRules = RULES) -> Judgement:
    return judge(posted, dict.fromkeys(AUTHORS, 100), rules, bytes(32), frozenset(KEEPERS), frozenset(keepers))


def verdict(judgement: Judgement, number: int = 3) -> Verdict:
    return judgement.verdicts[number][1]


def test_what_adds_nothing_is_rejected_although_its_signal_is_good() -> None:
    found = judged(sheets({KEEPERS[0]: FREE_RIDER}), KEEPERS[:1])
    assert [each for _, each in found.verdicts] == [Verdict.ACCEPT] * 3 + [Verdict.REJECT]
    assert found.opened == (KEEPERS[0],)


def test_one_witness_of_three_rejects_nobody_alone() -> None:
    one = {KEEPERS[0]: FREE_RIDER, KEEPERS[1]: HONEST, KEEPERS[2]: HONEST}
    assert verdict(judged(sheets(one), KEEPERS)) is Verdict.ACCEPT
    assert judged(sheets(one), KEEPERS[::-1]).opened == tuple(KEEPERS)
    two = {**one, KEEPERS[1]: FREE_RIDER}
    assert verdict(judged(sheets(two), KEEPERS)) is Verdict.REJECT


def test_half_of_the_witnesses_reject_nobody() -> None:
    assert verdict(judged(sheets({KEEPERS[0]: FREE_RIDER, KEEPERS[1]: HONEST}), KEEPERS[:2])) is Verdict.ACCEPT


def test_sets_that_were_not_opened_count_against_a_rejection() -> None:
    assert verdict(judged(sheets({KEEPERS[0]: FREE_RIDER}), KEEPERS)) is Verdict.ACCEPT
    assert judged(sheets({KEEPERS[0]: FREE_RIDER}), KEEPERS).opened == (KEEPERS[0],)


def test_a_set_by_which_everybody_is_bad_says_nothing() -> None:
    found = judged(sheets({KEEPERS[0]: (0, 0, 0, 0)}), KEEPERS[:1])
    assert {each for _, each in found.verdicts} == {Verdict.ACCEPT}


def test_too_little_to_tell_leaves_the_open_verdict() -> None:
    found = judged(sheets({KEEPERS[0]: (1, 1, 1, 0)}, expected=1), KEEPERS[:1])
    assert {each for _, each in found.verdicts} == {Verdict.ACCEPT}


def test_a_set_shown_to_less_than_a_quorum_does_not_count_and_nobody_is_to_blame_for_lacking_it() -> None:
    few = judged(sheets({KEEPERS[0]: FREE_RIDER}, shown_to=3), KEEPERS[:1])
    assert (verdict(few), few.opened, few.disputed) == (Verdict.ACCEPT, (), ())
    most = judged(sheets({KEEPERS[0]: FREE_RIDER}, shown_to=4), KEEPERS[:1])
    assert (verdict(most), most.opened, most.disputed) == (Verdict.REJECT, (KEEPERS[0],), ())


@pytest.mark.parametrize(("liars", "agreed"), [(2, True), (3, False)])
def test_half_of_the_judges_agree_on_nothing(liars: int, agreed: bool) -> None:
    true = Gain(keeper=KEEPERS[0], gain_micro=1, expected_micro=1)
    posted = {by: [replace(true, gain_micro=2) if place < liars else true] for place, by in enumerate("abcdef")}
    assert agreed_gains(posted, 2) == ({KEEPERS[0]: true} if agreed else {})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("measured", "worth"), [((3, 1, 2), 2), ((4, 1), 1), ((9, 1, 7, 5), 5), ((1,), 1), ((-5, -5, 3), 0), ((), 0)]
)
def test_a_contribution_is_the_lower_median_and_never_below_nothing(measured: tuple[int, ...], worth: int) -> None:
    gains = {
        NodeId(str(place) * 32): Gain(keeper=NodeId(str(place) * 32), gain_micro=gain, expected_micro=1)
        for place, gain in enumerate(measured)
    }
    assert contributions({AUTHORS[0]: gains}) == {AUTHORS[0]: worth}


def test_another_gain_than_the_agreed_one_is_a_dispute() -> None:
    posted = sheets({KEEPERS[0]: HONEST})
    liar = AUTHORS[1]
    posted[liar] = tuple(replace(line, gains=(replace(line.gains[0], gain_micro=5),)) for line in posted[liar])
    assert judged(posted, KEEPERS[:1]).disputed == (liar,)


def test_contribution_is_gain_where_it_was_measured_and_rows_where_not() -> None:
    gains = {KEEPERS[0]: (9, 10, 25, 8)}
    assert judged(sheets(gains), KEEPERS[:1]).ranking[0] == AUTHORS[2]
    weighted = dict(judged(sheets({}), []).weighted_mae_ppm)
    assert len(set(weighted.values())) == 1


@pytest.mark.parametrize(
    ("gains", "fault"),
    [
        ((Gain(keeper=AUTHORS[2], gain_micro=1, expected_micro=1),), "nobody was to open"),
        (tuple(Gain(keeper=keeper, gain_micro=1, expected_micro=1) for keeper in KEEPERS[::-1]), "out of order"),
        ((Gain(keeper=KEEPERS[0], gain_micro=1, expected_micro=1),) * 2, "out of order"),
        ((Gain(keeper=KEEPERS[0], gain_micro=10**16, expected_micro=1),), "beyond"),
    ],
)
def test_gains_that_are_none_are_refused(gains: tuple[Gain, ...], fault: str) -> None:
    line = Score(author=AUTHORS[1], received=True, gains=gains)
    with pytest.raises(ProtocolError, match=fault) as caught:
        check_sheet(AUTHORS[0], [line], frozenset(AUTHORS), frozenset(KEEPERS))
    assert caught.value.code == "bad-score-sheet"


def test_a_model_that_was_not_received_has_no_gain() -> None:
    line = Score(author=AUTHORS[1], received=False, gains=gains_of(0, {KEEPERS[0]: HONEST}))
    with pytest.raises(ProtocolError, match="not received"):
        check_sheet(AUTHORS[0], [line], frozenset(AUTHORS), frozenset(KEEPERS))
