"""Proof of Training Quality: verdicts on committed models, and who leads.

The members' score sheets lie on the ledger; everything here follows from them by exact integer and
rational arithmetic, so every member, and anyone who audits the block later, gets the same judgement.

Numbered checks on each model, in this order (the numbers appear again at the code):

1. NOT_RECEIVED unless a quorum holds the model. Its author counts as holding it, whatever it posts.
2. REJECT if its sums cannot be: longer than its counts allow by 6 standard deviations, or with less noise
   than the receipt says by 4.
3. REJECT if its loss on the public reference documents is worse than the median model's by more than the
   sampling tolerance allows.
4. REJECT if more than half of the others' hold-out rows that can tell, and more than the tolerated
   number of faulty members, find the same on their own documents.
5. REJECT if of the sets of documents that witnesses kept back until releases were shown more than half find
   no gain over public knowledge; each by the rule of check 6, and sets that were not opened count as well.
6. Signal (matched filter), with mu the expected z times the median rho: REJECT if z < mu/2 - 2.33, which happens to
   one in a hundred of those who show half of what is usual; ACCEPT if z >= 3, which happens to one in a thousand
   that show nothing, and z >= mu/2; else UNVERIFIABLE.
7. UNVERIFIABLE instead of ACCEPT if some category's documents lie surely farther from its public mean than a squared
   distance of .15 and than one and a half times the median: documents unlike everybody's, or one many times.
8. Where there is no signal at all: ACCEPT if check 3 or 4 could tell and did not reject, else UNVERIFIABLE.

The medians are of the received models that passed check 2, of those alone from which anything is to be expected: honest
while most of them are. A release that says nothing (all zeros) leaves every loss as public knowledge has it. So where
there is a signal, checks 3 to 5 may condemn a model but never vouch for it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction

from comitia.consensus.gain import Gain, agreed_gains, contradicts, contributions
from comitia.consensus.ranking import PPM, rank, weighted_mae
from comitia.consensus.tolerance import tolerance_ppm
from comitia.core.errors import ConfigurationError, ProtocolError
from comitia.core.ids import NodeId
from comitia.learning.judging import Judged
from comitia.learning.signal import MOST_MICRO

LARGEST_SIGNAL_MICRO = MOST_MICRO
"""Signals beyond a thousand million are refused as malformed."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """One line of a judge's score sheet: what it measured on one committed model.

    Attributes
    ----------
    author
        Whose model.
    received
        Whether the judge holds bytes that match the commitment. False: every figure below is None.
    signal_micro, expected_micro
        z of the matched filter on the release, and the z to expect of honest work of the declared counts,
        in millionths. Exact: all judges post the same. None: nothing public to judge by.
    left_micro, farthest_micro, excess_micro
        Length of the release's sums against public knowledge and against its counts, see `learning.energy`.
        Exact, likewise. None: it is not of class sums.
    reference_loss_ppm
        Mean loss on the codebook's public labelled documents, 0 to 10**6. Exact. None: there are none.
    holdout_loss_ppm
        Mean loss on documents only this judge has, 0 to 10**6: a provider's own hold-out (noisy, paid
        for), or reference documents that a witness has kept back (exact). None: not measured.
    holdout_size
        Number of those documents; 0 if not measured.
    gains
        What the model adds to public knowledge by each set of documents kept back that this judge was shown, by
        keeper in ascending order.
    """

    author: NodeId
    received: bool
    signal_micro: int | None = None
    expected_micro: int | None = None
    left_micro: int | None = None
    farthest_micro: int | None = None
    excess_micro: int | None = None
    reference_loss_ppm: int | None = None
    holdout_loss_ppm: int | None = None
    holdout_size: int = 0
    gains: tuple[Gain, ...] = ()

    @classmethod
    def of(cls, author: NodeId, judged: Judged) -> Score:
        """The line on a release that was received, with what it shows to everybody."""
        signal, energy = judged.signal, judged.energy
        return cls(
            author=author,
            received=True,
            signal_micro=signal.z_micro if signal else None,
            expected_micro=signal.expected_micro if signal else None,
            left_micro=energy.left_micro if energy else None,
            farthest_micro=energy.farthest_micro if energy else None,
            excess_micro=energy.excess_micro if energy else None,
            reference_loss_ppm=judged.reference_loss_ppm,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityRules:
    """What a session judges by; all but the first four are the specification's figures.

    Attributes
    ----------
    quorum
        Members, the author included, who must hold a model and agree on its exact figures.
    faults
        Byzantine members tolerated; that many hold-out rows alone never reject a model.
    kappa
        How declared rows count in the ranking: +1 helps, 0 not at all, -1 the paper's formula.
    accept_unverified
        Whether models nobody can judge are used, unless their signal is below 0. They earn no credit and no strike.
    reference_size
        Labelled public documents behind `reference_loss_ppm`; 0 switches check 3 off.
    holdout_epsilon_micro
        Privacy paid for each provider's hold-out row, in millionths; 0 switches check 4 off for them.
    beta_ppm
        Chance that a sampling tolerance is exceeded by accident.
    margin_ppm
        mu: how much worse than the median a loss may be beyond twice its tolerance.
    widest_tolerance_ppm
        A row whose tolerance is wider than this cannot tell good from bad.
    most_excess_micro, least_left_micro
        The 6 and -4 of check 2.
    least_signal_micro, doubt_micro, least_share_of_median_ppm
        The 3, the 2.33 and the half of check 6.
    far_micro, far_of_median_ppm
        The .15 and the 1.5 of check 7.
    telling_micro
        A model of which less signal is to be expected has no part in the median rho: its own is all noise.
    """

    quorum: int
    faults: int
    kappa: int = 1
    accept_unverified: bool = False
    reference_size: int = 0
    holdout_epsilon_micro: int = 0
    beta_ppm: int = 50_000
    margin_ppm: int = 50_000
    widest_tolerance_ppm: int = 100_000
    most_excess_micro: int = 6_000_000
    least_left_micro: int = -4_000_000
    least_signal_micro: int = 3_000_000
    doubt_micro: int = 2_330_000
    least_share_of_median_ppm: int = 500_000
    far_micro: int = 150_000
    far_of_median_ppm: int = 1_500_000
    telling_micro: int = 3_000_000

    def __post_init__(self) -> None:
        if self.kappa not in (-1, 0, 1):
            raise ConfigurationError(
                f"kappa is {self.kappa}, but declared rows can only help (1), not count (0) or hurt (-1)",
                code="bad-kappa",
                hint="use kappa = 1 unless you compare with the paper's formula (-1)",
                kappa=self.kappa,
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """The exact figures of one model that a quorum agrees on; None where there is none, or no agreement.

    Attributes
    ----------
    author
        Whose model.
    signal_micro, expected_micro, left_micro, farthest_micro, excess_micro, reference_loss_ppm
        As in `Score`.
    """

    author: NodeId
    signal_micro: int | None = None
    expected_micro: int | None = None
    left_micro: int | None = None
    farthest_micro: int | None = None
    excess_micro: int | None = None
    reference_loss_ppm: int | None = None

    @property
    def rho(self) -> Fraction | None:
        """Measured over expected signal; None where there is nothing to expect."""
        if self.signal_micro is None or self.expected_micro is None or self.expected_micro <= 0:
            return None
        return Fraction(self.signal_micro, self.expected_micro)


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
    agreed = {author: _agreed(lines[author], rules.quorum) for author in authors}
    figures = {author: agreed[author] or Figures(author=author) for author in authors}
    gains = {
        author: agreed_gains({by: line.gains for by, line in lines[author].items()}, rules.quorum) for author in authors
    }
    opened = {keeper for by_keeper in gains.values() for keeper in by_keeper}
    verdicts = _verdicts(lines, figures, rules, witnesses, _without_gain(gains, rules, keepers))

    accepted = tuple(author for author in authors if _usable(verdicts[author], figures[author], rules))
    losses = {
        author: PPM
        if verdicts[author] is Verdict.NOT_RECEIVED
        else _loss_ppm(lines[author], figures[author], rules, witnesses, len(authors))
        for author in authors
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


def check_sheet(
    judge_id: NodeId, scores: Sequence[Score], authors: Set[NodeId], keepers: Set[NodeId] = frozenset()
) -> None:
    """Refuse a score sheet that does not have exactly the form of one.

    1. Each line is about a different committed model. (One on the judge's own may be there; it never counts.)
    2. A model that was not received has no figures.
    3. Signal and expectation come together, so do the three lengths; losses lie in 0 to 10**6, a hold-out loss has
       documents.
    4. Gains are by different keepers in ascending order, of those whose documents were to be opened.

    Raises
    ------
    ProtocolError
        Code ``bad-score-sheet``, naming judge, author and what is wrong.
    """
    seen: set[NodeId] = set()
    for score in scores:
        fault = _fault(score)
        if score.author not in authors:  # 1
            fault = "is about a model that nobody committed"
        elif score.author in seen:
            fault = "is its second one"
        elif not {gain.keeper for gain in score.gains} <= keepers:  # 4
            fault = "has a gain by documents that nobody was to open"
        if fault:
            raise ProtocolError(
                f"the score {judge_id} posted on the model of {score.author} {fault}",
                code="bad-score-sheet",
                judge=judge_id,
                author=score.author,
            )
        seen.add(score.author)


def _fault(score: Score) -> str:
    """What is wrong with the figures of one line; empty if nothing is."""
    losses = (score.reference_loss_ppm, score.holdout_loss_ppm)
    signals = (score.signal_micro, score.expected_micro)
    lengths = (score.left_micro, score.farthest_micro, score.excess_micro)
    figures = any(x is not None for x in losses + signals + lengths) or score.holdout_size or score.gains
    if not score.received and figures:  # 2
        return "has figures although the model was not received"
    if (score.signal_micro is None) != (score.expected_micro is None):  # 3
        return "has a signal without its expectation, or the other way round"
    if len({x is None for x in lengths}) > 1:
        return "has only some of the lengths of its sums"
    gains = tuple(x for gain in score.gains for x in (gain.gain_micro, gain.expected_micro))
    if any(x is not None and abs(x) > LARGEST_SIGNAL_MICRO for x in signals + lengths + gains):
        return f"has a signal beyond {LARGEST_SIGNAL_MICRO} millionths"
    if any(x is not None and not 0 <= x <= PPM for x in losses):
        return f"has a loss outside 0 to {PPM} millionths"
    if score.holdout_size < 0 or (score.holdout_loss_ppm is None) != (score.holdout_size == 0):
        return "has a hold-out loss without documents, or the other way round"
    if [gain.keeper for gain in score.gains] != sorted({gain.keeper for gain in score.gains}):  # 4
        return "has its gains out of order"
    return ""


def _lines_about(author: NodeId, sheets: Mapping[NodeId, Sequence[Score]]) -> dict[NodeId, Score]:
    """What the others who hold this author's model posted on it. Nobody judges their own."""
    lines: dict[NodeId, Score] = {}
    for judge_id in sorted(sheets):
        line = next((score for score in sheets[judge_id] if score.author == author), None)
        if judge_id != author and line is not None and line.received:
            lines[judge_id] = line
    return lines


def _exact(score: Score) -> Figures:
    """The figures on which all honest judges agree to the last digit."""
    return Figures(
        author=score.author,
        signal_micro=score.signal_micro,
        expected_micro=score.expected_micro,
        left_micro=score.left_micro,
        farthest_micro=score.farthest_micro,
        excess_micro=score.excess_micro,
        reference_loss_ppm=score.reference_loss_ppm,
    )


def _agreed(lines: Mapping[NodeId, Score], quorum: int) -> Figures | None:
    """The figures that most holders post, if with the author they are a quorum; otherwise None."""
    votes = Counter(_exact(line) for line in lines.values())
    for figures, count in votes.items():
        if 2 * count > len(lines) and count >= quorum - 1:
            return figures
    return None


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
        if agreed[author] not in (None, _exact(line)) or contradicts(line.gains, gains[author])
    }
    return tuple(sorted(contradicting))


def _verdicts(
    lines: Mapping[NodeId, Mapping[NodeId, Score]],
    figures: Mapping[NodeId, Figures],
    rules: QualityRules,
    witnesses: Set[NodeId],
    without_gain: Set[NodeId],
) -> dict[NodeId, Verdict]:
    """The numbered checks of this module, model by model."""
    received = {author for author, about in lines.items() if len(about) >= rules.quorum - 1}
    impossible = {author for author in received if _impossible(figures[author], rules)}
    usual = Usual.of((figures[author] for author in received - impossible), rules)
    by_reference = _reference_rows(figures, received, rules)
    by_holdout = _holdout_rows(lines, rules, witnesses)
    verdicts = {}
    for author in lines:
        reference, holdouts = by_reference.get(author), by_holdout[author]
        condemning = sum(holdouts)
        rejected_by_others = condemning > rules.faults and 2 * condemning > len(holdouts)
        if author not in received:  # 1
            verdicts[author] = Verdict.NOT_RECEIVED
        elif author in impossible or reference is True or rejected_by_others or author in without_gain:  # 2, 3, 4
            verdicts[author] = Verdict.REJECT
        elif figures[author].signal_micro is not None:  # 6, 7
            verdicts[author] = _by_signal(figures[author], usual, rules)
        elif reference is False or len(holdouts) > rules.faults:  # 8
            verdicts[author] = Verdict.ACCEPT
        else:
            verdicts[author] = Verdict.UNVERIFIABLE
    return verdicts


def _impossible(figures: Figures, rules: QualityRules) -> bool:
    """Check 2, on the lengths of the sums."""
    if figures.excess_micro is None or figures.left_micro is None:
        return False
    return figures.excess_micro > rules.most_excess_micro or figures.left_micro < rules.least_left_micro


@dataclass(frozen=True, slots=True, kw_only=True)
class Usual:
    """Medians over the models of one session; None where no model tells.

    Attributes
    ----------
    rho
        Of measured over expected signal.
    farthest_micro
        Of the distance of the farthest category from public knowledge.
    """

    rho: Fraction | None
    farthest_micro: Fraction | None

    @classmethod
    def of(cls, models: Iterable[Figures], rules: QualityRules) -> Usual:
        known = list(models)
        return cls(
            rho=_median(each.rho for each in known if (each.expected_micro or 0) >= rules.telling_micro),
            farthest_micro=_median(Fraction(each.farthest_micro) for each in known if each.farthest_micro is not None),
        )


def _by_signal(figures: Figures, usual: Usual, rules: QualityRules) -> Verdict:
    """Checks 6 and 7, on the matched filter's figures and the distance."""
    if usual.rho is None or figures.signal_micro is None or figures.expected_micro is None:
        return Verdict.UNVERIFIABLE
    least = Fraction(figures.expected_micro * rules.least_share_of_median_ppm, PPM) * max(usual.rho, Fraction(0))
    if figures.signal_micro < least - rules.doubt_micro:  # 6
        return Verdict.REJECT
    if figures.signal_micro < least or figures.signal_micro < rules.least_signal_micro:  # 6
        return Verdict.UNVERIFIABLE
    return Verdict.UNVERIFIABLE if _too_far(figures, usual, rules) else Verdict.ACCEPT


def _too_far(figures: Figures, usual: Usual, rules: QualityRules) -> bool:
    """Check 7, on the distance of the farthest category from public knowledge."""
    if usual.farthest_micro is None or figures.farthest_micro is None:
        return False
    usually = usual.farthest_micro * rules.far_of_median_ppm / PPM
    return figures.farthest_micro > rules.far_micro and figures.farthest_micro > usually


def _without_gain(
    gains: Mapping[NodeId, Mapping[NodeId, Gain]], rules: QualityRules, keepers: Set[NodeId]
) -> set[NodeId]:
    """Check 5: the authors of whose releases most keepers' documents find that they add nothing."""
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


def _reference_rows(
    figures: Mapping[NodeId, Figures], received: Set[NodeId], rules: QualityRules
) -> dict[NodeId, bool]:
    """Check 3: for each model with a reference loss, whether it is too high. Empty if that cannot be told."""
    losses = {author: loss for author in received if (loss := figures[author].reference_loss_ppm) is not None}
    return _row(losses, tolerance_ppm(len(figures), rules.reference_size, beta_ppm=rules.beta_ppm), rules)


def _holdout_rows(
    lines: Mapping[NodeId, Mapping[NodeId, Score]], rules: QualityRules, witnesses: Set[NodeId]
) -> dict[NodeId, list[bool]]:
    """Check 4: for each model, what those of the others' rows say that can tell."""
    findings: dict[NodeId, list[bool]] = {author: [] for author in lines}
    for judge_id in sorted({judge_id for about in lines.values() for judge_id in about}):
        row = {author: about[judge_id] for author, about in lines.items() if judge_id in about}
        losses = {author: loss for author, line in row.items() if (loss := line.holdout_loss_ppm) is not None}
        size = min((row[author].holdout_size for author in losses), default=0)
        tolerance = _holdout_tolerance(judge_id, size, len(lines), rules, witnesses)
        for author, too_high in _row(losses, tolerance, rules).items():
            findings[author].append(too_high)
    return findings


def _holdout_tolerance(
    judge_id: NodeId, size: int, models: int, rules: QualityRules, witnesses: Set[NodeId]
) -> int | None:
    """t_j in millionths; a witness' documents are public afterwards, so its row carries no noise."""
    if judge_id in witnesses:
        return tolerance_ppm(models, size, beta_ppm=rules.beta_ppm)
    if not rules.holdout_epsilon_micro:
        return None
    return tolerance_ppm(models, size, beta_ppm=rules.beta_ppm, epsilon_micro=rules.holdout_epsilon_micro)


def _row(losses: Mapping[NodeId, int], tolerance: int | None, rules: QualityRules) -> dict[NodeId, bool]:
    """S_ji = L_ji - median_i'(L_ji') > 2 t_j + mu, for each model of one row that can tell."""
    median = _median(Fraction(loss) for loss in losses.values())
    if median is None or tolerance is None or tolerance > rules.widest_tolerance_ppm:
        return {}
    bound = median + 2 * tolerance + rules.margin_ppm
    return {author: loss > bound for author, loss in losses.items()}


def _loss_ppm(
    lines: Mapping[NodeId, Score],
    figures: Figures,
    rules: QualityRules,
    witnesses: Set[NodeId],
    models: int,
) -> int:
    """MAE(m_i): from public and witnesses' references, else others' hold-outs, else the signal.

    The signal counts as 1 - rho, held between 0 and 1: without the cap, a release scaled up would lead.
    """
    public = [figures.reference_loss_ppm]
    kept_back = [line.holdout_loss_ppm for judge_id, line in lines.items() if judge_id in witnesses]
    others = [
        line.holdout_loss_ppm
        for judge_id, line in lines.items()
        if judge_id not in witnesses
        and (t := _holdout_tolerance(judge_id, line.holdout_size, models, rules, witnesses)) is not None
        and t <= rules.widest_tolerance_ppm
    ]
    for source in (public + kept_back, others):
        median = _median(Fraction(loss) for loss in source if loss is not None)
        if median is not None:
            return int(median)
    rho = figures.rho or Fraction(0)
    return PPM - int(PPM * min(Fraction(1), max(Fraction(0), rho)))


def _median(values: Iterable[Fraction | None]) -> Fraction | None:
    """The exact median of the values that are there; None without any."""
    present = sorted(value for value in values if value is not None)
    if not present:
        return None
    middle = len(present) // 2
    return present[middle] if len(present) % 2 else (present[middle - 1] + present[middle]) / 2


_STANDING = {Verdict.ACCEPT: 0, Verdict.UNVERIFIABLE: 1, Verdict.REJECT: 3, Verdict.NOT_RECEIVED: 3}
"""Who leads before whom, whatever the losses. Unverified work earns no credit; witnesses stand at 2."""
