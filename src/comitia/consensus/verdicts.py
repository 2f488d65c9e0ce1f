"""What the committee says of each committed model: the checks of Proof of Training Quality.

They are made on each model, in this order (the numbers appear again at the code):

1. NOT_RECEIVED unless a quorum holds the model. Its author counts as holding it, whatever it posts.
2. REJECT if its sums cannot be: longer than its counts allow by 6 standard deviations, or with less noise
   than the receipt says by 4.
3. REJECT if its loss on the public reference documents is worse than the median model's by more than the
   sampling tolerance allows.
4. REJECT if of the sets of documents that witnesses kept back until releases were shown more than half find
   no gain over public knowledge; each by the rule of check 5, and sets that were not opened count as well.
5. Signal (matched filter), with mu the expected z times the median rho: REJECT if z < mu/2 - 2.33, which happens to
   one in a hundred of those who show half of what is usual; ACCEPT if z >= 3, which happens to one in a thousand
   that show nothing, and z >= mu/2; else UNVERIFIABLE.
6. UNVERIFIABLE instead of ACCEPT if some category's documents lie surely farther from its public mean than a squared
   distance of .15 and than one and a half times the median: documents unlike everybody's, or one many times.
7. Where there is no signal at all: ACCEPT if check 3 could tell and did not reject, else UNVERIFIABLE.

The medians are of the received models that passed check 2, of those alone from which anything is to be expected: honest
while most of them are. A release that says nothing (all zeros) leaves every loss as public knowledge has it. So where
there is a signal, checks 3 and 4 may condemn a model but never vouch for it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Set
from enum import StrEnum
from fractions import Fraction

from comitia.consensus.figures import Figures, Usual, median
from comitia.consensus.gain import Gain
from comitia.consensus.rules import QualityRules
from comitia.consensus.score_sheet import Score
from comitia.consensus.tolerance import tolerance_ppm
from comitia.core.ids import NodeId
from comitia.core.units import PPM


class Verdict(StrEnum):
    """What the committee says of one committed model."""

    ACCEPT = "accept"
    REJECT = "reject"
    UNVERIFIABLE = "unverifiable"
    NOT_RECEIVED = "not-received"


def tally(verdicts: Iterable[str]) -> str:
    """How often each verdict was given, such as "2 accept, 1 unverifiable"; empty for none."""
    counts = Counter(verdicts)
    return ", ".join(f"{counts[verdict]} {verdict.value}" for verdict in Verdict if counts[verdict])


def judge_models(
    lines: Mapping[NodeId, Mapping[NodeId, Score]],
    figures: Mapping[NodeId, Figures],
    gains: Mapping[NodeId, Mapping[NodeId, Gain]],
    rules: QualityRules,
    keepers: Set[NodeId],
) -> dict[NodeId, Verdict]:
    """The numbered checks of this module, model by model.

    Parameters
    ----------
    lines
        By author, what each of the others who hold the model posted on it.
    figures, gains
        By author, what a quorum agrees on; gains by keeper.
    rules, keepers
        As `quality.judge` takes them.
    """
    received = {author for author, about in lines.items() if len(about) >= rules.quorum - 1}
    impossible = {author for author in received if _impossible(figures[author], rules)}
    usual = Usual.of((figures[author] for author in received - impossible), rules)
    by_reference = _reference_findings(figures, received, rules)
    gainless = _without_gain(gains, rules, keepers)
    verdicts = {}
    for author in lines:
        worse = by_reference.get(author)
        if author not in received:  # 1
            verdicts[author] = Verdict.NOT_RECEIVED
        elif author in impossible or worse or author in gainless:  # 2, 3, 4
            verdicts[author] = Verdict.REJECT
        elif figures[author].signal_micro is not None:  # 5, 6
            verdicts[author] = _by_signal(figures[author], usual, rules)
        elif worse is False:  # 7
            verdicts[author] = Verdict.ACCEPT
        else:
            verdicts[author] = Verdict.UNVERIFIABLE
    return verdicts


def _impossible(figures: Figures, rules: QualityRules) -> bool:
    """Check 2, on the lengths of the sums."""
    if figures.excess_micro is None or figures.left_micro is None:
        return False
    return figures.excess_micro > rules.most_excess_micro or figures.left_micro < rules.least_left_micro


def _reference_findings(
    figures: Mapping[NodeId, Figures], received: Set[NodeId], rules: QualityRules
) -> dict[NodeId, bool]:
    """Check 3: for each model with a reference loss, whether it is worse. Empty if that cannot be told.

    L_i - median_j(L_j) > 2 t + mu, with t the sampling tolerance.
    """
    losses = {author: loss for author in received if (loss := figures[author].reference_loss_ppm) is not None}
    usual = median(Fraction(loss) for loss in losses.values())
    tolerance = tolerance_ppm(len(figures), rules.reference_size, beta_ppm=rules.beta_ppm)
    if usual is None or tolerance is None or tolerance > rules.widest_tolerance_ppm:
        return {}
    bound = usual + 2 * tolerance + rules.margin_ppm
    return {author: loss > bound for author, loss in losses.items()}


def _without_gain(
    gains: Mapping[NodeId, Mapping[NodeId, Gain]], rules: QualityRules, keepers: Set[NodeId]
) -> set[NodeId]:
    """Check 4: the authors of whose releases most keepers' documents find that they add nothing."""
    findings: Counter[NodeId] = Counter()
    for keeper in keepers:
        row = [
            Figures(author=author, signal_micro=found.gain_micro, expected_micro=found.expected_micro)
            for author, by_keeper in gains.items()
            if (found := by_keeper.get(keeper)) is not None
        ]
        usual = Usual.of(row, rules)
        findings.update(each.author for each in row if _by_signal(each, usual, rules) is Verdict.REJECT)
    return {author for author, count in findings.items() if 2 * count > len(keepers)}


def _by_signal(figures: Figures, usual: Usual, rules: QualityRules) -> Verdict:
    """Checks 5 and 6, on the matched filter's figures and the distance."""
    if usual.rho is None or figures.signal_micro is None or figures.expected_micro is None:
        return Verdict.UNVERIFIABLE
    least = Fraction(figures.expected_micro * rules.least_share_of_median_ppm, PPM) * max(usual.rho, Fraction(0))
    if figures.signal_micro < least - rules.doubt_micro:  # 5
        return Verdict.REJECT
    if figures.signal_micro < least or figures.signal_micro < rules.least_signal_micro:  # 5
        return Verdict.UNVERIFIABLE
    return Verdict.UNVERIFIABLE if _too_far(figures, usual, rules) else Verdict.ACCEPT


def _too_far(figures: Figures, usual: Usual, rules: QualityRules) -> bool:
    """Check 6, on the distance of the farthest category from public knowledge."""
    if usual.farthest_micro is None or figures.farthest_micro is None:
        return False
    usually = usual.farthest_micro * rules.far_of_median_ppm / PPM
    return figures.farthest_micro > rules.far_micro and figures.farthest_micro > usually
