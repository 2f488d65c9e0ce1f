"""Verdicts and ranking: exact, the same whatever the order, and out of reach of a tolerated number of liars."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comitia.consensus.committee import draw, lot, one_per_organisation, witnesses_needed
from comitia.consensus.figures import Figures
from comitia.consensus.pow import search, verify
from comitia.consensus.quality import judge
from comitia.consensus.ranking import weighted_mae
from comitia.consensus.rules import QualityRules
from comitia.consensus.score_sheet import Score, check_sheet
from comitia.consensus.verdicts import Verdict
from comitia.core.errors import ProtocolError
from comitia.core.ids import NodeId
from comitia.learning.energy import Energy
from comitia.learning.judging import Judged
from comitia.learning.signal import Signal

AUTHORS = [NodeId(name * 32) for name in "abcdef"]
WITNESS = NodeId("9" * 32)
RULES = QualityRules(quorum=5)
BEACON = bytes(32)

Signals = Mapping[NodeId, tuple[int, int]]


def sheets(signals: Signals, liars: Mapping[NodeId, int] | None = None) -> dict[NodeId, tuple[Score, ...]]:
    """What every author and the witness post: the true signals, but for liars, who add something to each."""
    return {
        judge_id: tuple(
            Score(
                author=author,
                received=True,
                signal_micro=z + (liars or {}).get(judge_id, 0),
                expected_micro=expected,
            )
            for author, (z, expected) in signals.items()
            if author != judge_id
        )
        for judge_id in (*signals, WITNESS)
    }


def signals_of(*z: float, expected: float = 10) -> dict[NodeId, tuple[int, int]]:
    return {author: (int(v * 10**6), int(expected * 10**6)) for author, v in zip(AUTHORS, z, strict=False)}


def verdicts(signals: Signals, **more: object) -> list[Verdict]:
    rows = dict.fromkeys(signals, 100)
    result = judge(sheets(signals, **more), rows, RULES, BEACON, frozenset({WITNESS}))  # type: ignore[arg-type]
    return [verdict for _, verdict in result.verdicts]


def test_honest_work_is_accepted_and_noise_is_not() -> None:
    found = verdicts(signals_of(9, 10, 11, 10, 0.5, -9))
    assert found == [Verdict.ACCEPT] * 4 + [Verdict.REJECT] * 2


def test_what_cannot_be_told_is_said_to_be_unverifiable() -> None:
    assert set(verdicts(signals_of(2, 2, 2, 2, 2, 0, expected=3.5))) == {Verdict.UNVERIFIABLE}
    assert set(verdicts(signals_of(9, 9, 9, 9, 9, 9, expected=2.5))) == {Verdict.UNVERIFIABLE}


@pytest.mark.parametrize(
    ("z", "verdict"),
    [
        (2.66, Verdict.REJECT),  # usual is 10: less than half of it less 2.33
        (2.67, Verdict.UNVERIFIABLE),
        (4.99, Verdict.UNVERIFIABLE),  # less than half of what is usual
        (5, Verdict.ACCEPT),
    ],
)
def test_who_shows_less_than_half_of_what_is_usual(z: float, verdict: Verdict) -> None:
    assert verdicts(signals_of(10, 10, 10, 10, 10, z))[5] is verdict


@pytest.mark.parametrize(("z", "verdict"), [(2.99, Verdict.UNVERIFIABLE), (3, Verdict.ACCEPT)])
def test_who_may_show_nothing_is_not_accepted(z: float, verdict: Verdict) -> None:
    assert verdicts(signals_of(4, 4, 4, 4, 4, z))[5] is verdict


def test_a_model_from_which_nothing_is_expected_says_nothing_of_what_is_usual() -> None:
    signals = signals_of(10, 10, 10, 0, 0, 0) | dict.fromkeys(AUTHORS[3:], (0, 2_900_000))
    assert verdicts(signals)[:3] == [Verdict.ACCEPT] * 3


def lengths(left: int = 0, farthest: int = 100_000, excess: int = 0) -> dict[str, int]:
    return {"left_micro": left, "farthest_micro": farthest, "excess_micro": excess}


@pytest.mark.parametrize(
    ("shown", "verdict"),
    [
        (lengths(), Verdict.ACCEPT),
        (lengths(excess=6_000_000), Verdict.ACCEPT),
        (lengths(excess=6_000_001), Verdict.REJECT),  # longer than its counts allow
        (lengths(left=-4_000_000), Verdict.ACCEPT),
        (lengths(left=-4_000_001), Verdict.REJECT),  # quieter than its receipt says
        (lengths(farthest=150_000), Verdict.ACCEPT),
        (lengths(farthest=150_001), Verdict.UNVERIFIABLE),  # one document many times
    ],
)
def test_lengths_that_cannot_be_or_are_not_usual(shown: dict[str, int], verdict: Verdict) -> None:
    posted = {
        judge_id: tuple(replace(score, **(shown if score.author == AUTHORS[0] else lengths())) for score in scores)
        for judge_id, scores in sheets(signals_of(*[10] * 6)).items()
    }
    result = judge(posted, dict.fromkeys(AUTHORS, 100), RULES, BEACON, frozenset({WITNESS}))
    assert dict(result.verdicts)[AUTHORS[0]] is verdict
    assert {verdict for author, verdict in result.verdicts if author != AUTHORS[0]} == {Verdict.ACCEPT}


@pytest.mark.parametrize(
    ("others", "farthest", "verdict"),
    [
        (200_000, 300_000, Verdict.ACCEPT),
        (200_000, 300_001, Verdict.UNVERIFIABLE),
        (50_000, 150_000, Verdict.ACCEPT),
        (50_000, 150_001, Verdict.UNVERIFIABLE),
    ],
)
def test_too_far_is_beyond_a_bound_and_half_as_far_again_as_everybody(
    others: int, farthest: int, verdict: Verdict
) -> None:
    far = {author: lengths(farthest=farthest if author == AUTHORS[0] else others) for author in AUTHORS}
    posted = {
        judge_id: tuple(replace(score, **far[score.author]) for score in scores)
        for judge_id, scores in sheets(signals_of(*[10] * 6)).items()
    }
    result = judge(posted, dict.fromkeys(AUTHORS, 100), RULES, BEACON, frozenset({WITNESS}))
    assert dict(result.verdicts)[AUTHORS[0]] is verdict


def test_what_is_far_for_everybody_is_usual() -> None:
    posted = {
        judge_id: tuple(replace(score, **lengths(farthest=400_000)) for score in scores)
        for judge_id, scores in sheets(signals_of(*[10] * 6)).items()
    }
    result = judge(posted, dict.fromkeys(AUTHORS, 100), RULES, BEACON, frozenset({WITNESS}))
    assert {verdict for _, verdict in result.verdicts} == {Verdict.ACCEPT}


def test_of_unverified_work_what_points_the_wrong_way_is_not_used() -> None:
    rules = replace(RULES, accept_unverified=True)
    signals = signals_of(2, 2, 2, 2, 2, -0.1, expected=3.5)
    result = judge(sheets(signals), dict.fromkeys(AUTHORS, 100), rules, BEACON, frozenset({WITNESS}))
    assert {verdict for _, verdict in result.verdicts} == {Verdict.UNVERIFIABLE}
    assert result.accepted == tuple(AUTHORS[:5])


@given(st.permutations(AUTHORS), st.lists(st.integers(-20, 40), min_size=6, max_size=6))
def test_the_order_in_which_sheets_come_changes_nothing(order: list[NodeId], z: list[int]) -> None:
    signals = signals_of(*z)
    rows = {author: 10 + index for index, author in enumerate(AUTHORS)}
    posted = sheets(signals)
    mixed = {judge_id: posted[judge_id][::-1] for judge_id in (WITNESS, *order)}
    witnesses = frozenset({WITNESS})
    assert judge(posted, rows, RULES, BEACON, witnesses) == judge(mixed, rows, RULES, BEACON, witnesses)


@given(st.lists(st.integers(-20, 40), min_size=6, max_size=6), st.sampled_from(AUTHORS), st.integers(-50, 50))
def test_liars_change_no_agreed_figure_and_are_listed(z: list[int], liar: NodeId, lie: int) -> None:
    signals = signals_of(*z)
    rows = dict.fromkeys(AUTHORS, 100)
    witnesses = frozenset({WITNESS})
    honest = judge(sheets(signals), rows, RULES, BEACON, witnesses)
    lied = judge(sheets(signals, {liar: lie * 10**6}), rows, RULES, BEACON, witnesses)
    assert lied.verdicts == honest.verdicts
    assert lied.accepted == honest.accepted
    assert set(lied.disputed) == ({liar} if lie else set())


@pytest.mark.parametrize(
    ("quorum", "liars", "agreed"),
    [(5, 2, True), (5, 3, False), (3, 2, True), (3, 3, False)],  # the last: enough of them, and no majority
)
def test_figures_count_where_a_majority_of_the_holders_and_with_the_author_a_quorum_agree(
    quorum: int, liars: int, agreed: bool
) -> None:
    lies = {liar: (number + 1) * 10**6 for number, liar in enumerate(AUTHORS[1 : liars + 1])}
    rules = replace(RULES, quorum=quorum)
    found = judge(sheets(signals_of(*[10] * 6), lies), dict.fromkeys(AUTHORS, 9), rules, BEACON, frozenset({WITNESS}))
    assert (found.figures[0].signal_micro == 10_000_000) is agreed
    assert (found.figures[0].signal_micro is None) is not agreed


def test_everything_is_in_the_order_of_ids_whatever_came_first() -> None:
    authors = [NodeId(f"{number:032x}") for number in range(30)]
    sheet = [Score(author=author, received=True, signal_micro=10**7, expected_micro=10**7) for author in authors]
    posted = {author: [*sheet] for author in reversed(authors)}
    liars = authors[3:12]
    for liar in liars:
        posted[liar] = [replace(score, signal_micro=5) for score in sheet]
    rows = dict.fromkeys(reversed(authors), 100)
    found = judge(posted, rows, QualityRules(quorum=20), BEACON, frozenset())
    assert found.disputed == tuple(liars)
    assert found.accepted == tuple(authors)
    for listed in (found.verdicts, found.figures, found.losses_ppm, found.weighted_mae_ppm):
        assert [each.author if isinstance(each, Figures) else each[0] for each in listed] == authors


@pytest.mark.parametrize(("z_micro", "used"), [(1, True), (0, True), (-1, False), (None, True)])
def test_of_unverified_work_what_shows_nothing_is_used_and_what_shows_less_is_not(
    z_micro: int | None, used: bool
) -> None:
    expected = None if z_micro is None else 1_000_000
    posted = {
        WITNESS: [
            Score(author=author, received=True, signal_micro=z_micro, expected_micro=expected) for author in AUTHORS
        ]
    }
    rules = QualityRules(quorum=1, accept_unverified=True)
    found = judge(posted, dict.fromkeys(AUTHORS, 1), rules, BEACON, frozenset({WITNESS}))
    assert found.accepted == (tuple(AUTHORS) if used else ())
    assert judge(posted, dict.fromkeys(AUTHORS, 1), replace(rules, accept_unverified=False), BEACON).accepted == ()


def test_accepted_work_leads_before_unverified_a_witness_and_rejected_whatever_their_errors() -> None:
    """The lower MAE belongs to what stands behind: what is unlike everybody's, too long, or was not received."""
    shown = {
        AUTHORS[0]: (10, lengths(farthest=400_000)),
        AUTHORS[1]: (10, lengths(excess=6_000_001)),
        AUTHORS[2]: (7, lengths()),
        AUTHORS[3]: (8, lengths()),
        AUTHORS[4]: (8.5, lengths()),
    }
    line = {
        author: Score(author=author, received=True, signal_micro=int(z * 1e6), expected_micro=10**7, **length)
        for author, (z, length) in shown.items()
    }
    gone = Score(author=AUTHORS[5], received=False)
    posted = {by: (*(line[author] for author in line if author != by), gone) for by in [*AUTHORS, WITNESS]}
    found = judge(posted, dict.fromkeys(AUTHORS, 100), RULES, BEACON, frozenset({WITNESS}))
    accepted = (AUTHORS[4], AUTHORS[3], AUTHORS[2])
    assert found.ranking == (*accepted, AUTHORS[0], WITNESS, AUTHORS[1], AUTHORS[5])


def test_nobody_judges_their_own() -> None:
    """A judge's line on its own model never counts."""
    signals = signals_of(0, 10, 10, 10, 10, 10)
    posted = sheets(signals)
    own = Score(author=AUTHORS[0], received=True, signal_micro=99 * 10**6, expected_micro=10**7)
    posted[AUTHORS[0]] += (own,)
    result = judge(posted, dict.fromkeys(AUTHORS, 100), RULES, BEACON, frozenset({WITNESS}))
    assert dict(result.verdicts)[AUTHORS[0]] is Verdict.REJECT


def test_a_model_that_a_quorum_holds_its_author_included_is_received() -> None:
    posted = sheets(signals_of(10, 10, 10, 10, 10, 10))
    for judge_id in AUTHORS[1:3]:
        posted[judge_id] = tuple(
            Score(author=s.author, received=False) if s.author == AUTHORS[0] else s for s in posted[judge_id]
        )
    result = judge(posted, dict.fromkeys(AUTHORS, 100), RULES, BEACON, frozenset({WITNESS}))
    assert dict(result.verdicts)[AUTHORS[0]] is Verdict.ACCEPT


def test_a_model_that_too_few_received_is_not_received() -> None:
    posted = sheets(signals_of(10, 10, 10, 10, 10, 10))
    for judge_id in AUTHORS[1:4]:
        posted[judge_id] = tuple(
            Score(author=s.author, received=False) if s.author == AUTHORS[0] else s for s in posted[judge_id]
        )
    result = judge(posted, dict.fromkeys(AUTHORS, 100), RULES, BEACON, frozenset({WITNESS}))
    assert dict(result.verdicts)[AUTHORS[0]] is Verdict.NOT_RECEIVED
    assert AUTHORS[0] not in result.accepted
    assert set(result.ranking) == {*AUTHORS, WITNESS}


@pytest.mark.parametrize(
    "score",
    [
        Score(author=NodeId("z" * 32), received=True),
        Score(author=AUTHORS[1], received=False, signal_micro=1, expected_micro=1),
        Score(author=AUTHORS[1], received=True, signal_micro=1),
        Score(author=AUTHORS[1], received=True, left_micro=1, farthest_micro=1),
        Score(author=AUTHORS[1], received=False, left_micro=1, farthest_micro=1, excess_micro=1),
        Score(author=AUTHORS[1], received=True, left_micro=1, farthest_micro=10**18, excess_micro=1),
        Score(author=AUTHORS[1], received=True, reference_loss_ppm=10**6 + 1),
        Score(author=AUTHORS[1], received=True, signal_micro=10**18, expected_micro=1),
    ],
)
def test_sheets_without_sense_are_refused(score: Score) -> None:
    with pytest.raises(ProtocolError) as caught:
        check_sheet(AUTHORS[0], (score,), set(AUTHORS))
    assert caught.value.code == "bad-score-sheet"


def test_a_second_line_on_a_model_is_refused() -> None:
    line = Score(author=AUTHORS[1], received=True)
    check_sheet(AUTHORS[0], (line,), set(AUTHORS))
    with pytest.raises(ProtocolError, match="second one"):
        check_sheet(AUTHORS[0], (line, line), set(AUTHORS))


def test_a_line_has_what_a_release_shows_and_nothing_where_it_shows_nothing() -> None:
    shown = Judged(
        signal=Signal(z_micro=1, expected_micro=2),
        energy=Energy(left_micro=3, farthest_micro=4, excess_micro=5),
        reference_loss_ppm=6,
    )
    assert Score.of(AUTHORS[0], shown) == Score(
        author=AUTHORS[0],
        received=True,
        signal_micro=1,
        expected_micro=2,
        left_micro=3,
        farthest_micro=4,
        excess_micro=5,
        reference_loss_ppm=6,
    )
    assert Score.of(AUTHORS[0], Judged()) == Score(author=AUTHORS[0], received=True)


# --- Eq. (7) ----------------------------------------------------------------------------------------------


def test_with_the_papers_formula_big_contributors_lose() -> None:
    """ "The lower the MAE of model m_i is, the higher the accuracy", but gamma = 1 + |d_j| / sum |d_i| raises it."""
    losses, rows = {AUTHORS[0]: 100, AUTHORS[1]: 100}, {AUTHORS[0]: 900, AUTHORS[1]: 100}
    literal = weighted_mae(losses, rows, -1)
    assert literal[AUTHORS[0]] == Fraction(19, 10) * 100 + 100
    assert literal[AUTHORS[0]] > literal[AUTHORS[1]]
    repaired = weighted_mae(losses, rows, 1)
    assert repaired[AUTHORS[0]] < repaired[AUTHORS[1]]
    assert len(set(weighted_mae(losses, rows, 0).values())) == 1


@pytest.mark.parametrize(
    ("kappa", "weighted"),
    [
        (0, (250, 350, 750)),
        (1, (Fraction(250) / Fraction(7, 4), Fraction(350) / Fraction(5, 4), 750)),
        (-1, (Fraction(7, 4) * 100 + 150, Fraction(5, 4) * 200 + 150, 750)),
    ],
)
def test_errors_are_weighted_by_the_rows_of_what_is_used(kappa: int, weighted: tuple[Fraction, ...]) -> None:
    """The third model is not used: its claims count for nothing, and the mean is that of the others."""
    losses = dict(zip(AUTHORS[:3], (100, 200, 600), strict=True))
    assert tuple(weighted_mae(losses, {AUTHORS[0]: 30, AUTHORS[1]: 10}, kappa).values()) == weighted
    assert weighted_mae({AUTHORS[0]: 100}, {}, kappa) == {AUTHORS[0]: 100}
    assert weighted_mae({AUTHORS[0]: 100}, {AUTHORS[0]: 0}, kappa) == {AUTHORS[0]: 200}


@given(st.integers(1, 10**9))
def test_claimed_rows_count_up_to_twice_the_fair_share(claim: int) -> None:
    losses = dict.fromkeys(AUTHORS, 1000)
    rows = {author: claim if author == AUTHORS[0] else 1 for author in AUTHORS}
    weighted = weighted_mae(losses, rows, 1)
    assert weighted[AUTHORS[0]] >= Fraction(2000) / (1 + Fraction(2, len(AUTHORS)))


# --- committees -------------------------------------------------------------------------------------------


@given(st.permutations(AUTHORS), st.integers(1, 6))
def test_the_lot_does_not_depend_on_the_order(order: list[NodeId], bound: int) -> None:
    assert set(draw(order, bound, BEACON)) == set(draw(AUTHORS, bound, BEACON))
    assert len(draw(order, bound, BEACON)) == bound


def test_another_beacon_draws_others() -> None:
    many = [NodeId(f"{number:032x}") for number in range(100)]
    assert draw(many, 5, BEACON) != draw(many, 5, b"1" * 32)
    assert lot(BEACON, many[0]) != lot(BEACON, many[1])


def test_one_seat_an_organisation() -> None:
    organisations = {AUTHORS[0]: "x", AUTHORS[1]: "x", AUTHORS[2]: "y"}
    assert one_per_organisation(AUTHORS[:3], organisations) == (AUTHORS[0], AUTHORS[2])


@pytest.mark.parametrize(
    ("providers", "super_nodes", "needed"), [(1, 9, 3), (3, 1, 1), (3, 0, 0), (9, 4, 1), (2, 1, 1)]
)
def test_witnesses_fill_up_to_four(providers: int, super_nodes: int, needed: int) -> None:
    assert witnesses_needed(providers, super_nodes) == needed


# --- the paper's baseline -----------------------------------------------------------------------------------


@given(st.binary(max_size=20), st.integers(0, 10))
def test_work_that_was_found_verifies(content: bytes, difficulty: int) -> None:
    work = search(content, difficulty, limit=1 << 20)
    assert work is not None
    assert verify(content, difficulty, work.nonce)
    assert work.hashes == work.nonce + 1
    assert search(content, difficulty, start=work.nonce, limit=1) is not None


def test_difficulties_that_cannot_be() -> None:
    with pytest.raises(ValueError, match="difficulty"):
        search(b"", 65, limit=1)
    assert search(b"x", 40, limit=10) is None
    assert not verify(b"x", 0, -1)
