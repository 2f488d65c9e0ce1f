"""Proof of Training Quality: which committed models are used, and who leads.

The members' score sheets lie on the ledger; everything here follows from them by exact integer and
rational arithmetic, so every member, and anyone who audits the block later, gets the same judgement.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass

from comitia.consensus.figures import Figures, agreed_figures, exact_figures
from comitia.consensus.gain import Gain, agreed_gains, contradicts, contributions
from comitia.consensus.ranking import rank, weighted_mae
from comitia.consensus.rules import QualityRules
from comitia.consensus.score_sheet import Score
from comitia.consensus.verdicts import Verdict, judge_models
from comitia.core.ids import NodeId
from comitia.core.units import PPM


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What the score sheets of one session amount to. Every tuple but `ranking` is sorted by author.

    Attributes
    ----------
    verdicts
        One for every committed model.
    figures
        The agreed figures of every committed model.
    losses_ppm
        MAE(m_i) in millionths; 10**6 for a model that nobody can vouch for.
    weighted_mae_ppm
        MAE^u of each, in millionths, rounded down. (The ranking compares the exact fractions.)
    accepted
        Authors whose models enter the global model.
    ranking
        Every author and witness once, best first; `ranking[0]` leads, the next one if it does not deliver.
    disputed
        Judges who posted an exact figure other than the agreed one: their sheets are evidence against them.
    opened
        Keepers whose documents counted: of some model a quorum agrees on the gain.
    """

    verdicts: tuple[tuple[NodeId, Verdict], ...]
    figures: tuple[Figures, ...]
    losses_ppm: tuple[tuple[NodeId, int], ...]
    weighted_mae_ppm: tuple[tuple[NodeId, int], ...]
    accepted: tuple[NodeId, ...]
    ranking: tuple[NodeId, ...]
    disputed: tuple[NodeId, ...]
    opened: tuple[NodeId, ...] = ()


def judge(
    sheets: Mapping[NodeId, Sequence[Score]],
    rows: Mapping[NodeId, int],
    rules: QualityRules,
    beacon: bytes,
    witnesses: Set[NodeId] = frozenset(),
    keepers: Set[NodeId] = frozenset(),
) -> Judgement:
    """Judge every committed model from the score sheets of a closed scoring stage.

    Parameters
    ----------
    sheets
        What each judge posted. Lines on a judge's own model, on models nobody committed, and second lines
        on the same model do not count (`check_sheet` refuses them when they are posted).
    rows
        Declared number of training documents of every committed model, by author.
    rules
        The session's thresholds.
    beacon
        What ties are settled by; nobody knew it when the session opened.
    witnesses
        Members who judge but did not train.
    keepers
        Witnesses whose documents, bound before the commitments closed, were to be opened.

    Source: III.D, "the quality of the model should be verified and measured during the consensus process".
    """
    authors = sorted(rows)
    lines = {author: _lines_about(author, sheets) for author in authors}
    agreed = {author: agreed_figures(lines[author], rules.quorum) for author in authors}
    figures = {author: agreed[author] or Figures(author=author) for author in authors}
    gains = {
        author: agreed_gains({by: line.gains for by, line in lines[author].items()}, rules.quorum) for author in authors
    }
    opened = {keeper for by_keeper in gains.values() for keeper in by_keeper}
    verdicts = judge_models(lines, figures, gains, rules, keepers)

    accepted = tuple(author for author in authors if _usable(verdicts[author], figures[author], rules))
    losses = {
        author: PPM if verdicts[author] is Verdict.NOT_RECEIVED else figures[author].mae_ppm for author in authors
    }
    worth = contributions(gains) if opened else rows
    weighted = weighted_mae(losses, {author: worth[author] for author in accepted}, rules.kappa)
    standing = {author: _STANDING[verdict] for author, verdict in verdicts.items()}
    return Judgement(
        verdicts=tuple((author, verdicts[author]) for author in authors),
        figures=tuple(figures[author] for author in authors),
        losses_ppm=tuple((author, losses[author]) for author in authors),
        weighted_mae_ppm=tuple((author, int(weighted[author])) for author in authors),
        accepted=accepted,
        ranking=rank(weighted, standing, witnesses, beacon),
        disputed=_disputed(lines, agreed, gains),
        opened=tuple(sorted(opened)),
    )


def _usable(verdict: Verdict, figures: Figures, rules: QualityRules) -> bool:
    """Whether a model enters the global one. Where nobody can judge, a signal below 0 is oftener bad than good."""
    if verdict is not Verdict.UNVERIFIABLE:
        return verdict is Verdict.ACCEPT
    return rules.accept_unverified and (figures.signal_micro or 0) >= 0


def _lines_about(author: NodeId, sheets: Mapping[NodeId, Sequence[Score]]) -> dict[NodeId, Score]:
    """What the others who hold this author's model posted on it. Nobody judges their own."""
    lines: dict[NodeId, Score] = {}
    for judge_id, sheet in sheets.items():
        line = next((score for score in sheet if score.author == author), None)
        if judge_id != author and line is not None and line.received:
            lines[judge_id] = line
    return lines


def _disputed(
    lines: Mapping[NodeId, Mapping[NodeId, Score]],
    agreed: Mapping[NodeId, Figures | None],
    gains: Mapping[NodeId, Mapping[NodeId, Gain]],
) -> tuple[NodeId, ...]:
    """Judges who contradict figures that a quorum agrees on."""
    contradicting = {
        judge_id
        for author, about in lines.items()
        for judge_id, line in about.items()
        if agreed[author] not in (None, exact_figures(line)) or contradicts(line.gains, gains[author])
    }
    return tuple(sorted(contradicting))


_STANDING = {Verdict.ACCEPT: 0, Verdict.UNVERIFIABLE: 1, Verdict.REJECT: 3, Verdict.NOT_RECEIVED: 3}
"""Who leads before whom, whatever the losses. Unverified work earns no credit; witnesses stand at 2."""
