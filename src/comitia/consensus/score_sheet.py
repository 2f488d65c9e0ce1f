"""What a judge posts: a line of figures on each committed model, and the form that it must have."""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass

from comitia.consensus.gain import Gain
from comitia.core.errors import ProtocolError
from comitia.core.ids import NodeId
from comitia.core.units import PPM
from comitia.learning.judging import Judged
from comitia.learning.signal import MOST_MICRO


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


def check_sheet(
    judge_id: NodeId, scores: Sequence[Score], authors: Set[NodeId], keepers: Set[NodeId] = frozenset()
) -> None:
    """Refuse a score sheet that does not have exactly the form of one.

    1. Each line is about a different committed model. (One on the judge's own may be there; it never counts.)
    2. A model that was not received has no figures.
    3. Signal and expectation come together, so do the three lengths; a loss lies in 0 to 10**6.
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
    loss = score.reference_loss_ppm
    signals = (score.signal_micro, score.expected_micro)
    lengths = (score.left_micro, score.farthest_micro, score.excess_micro)
    figures = any(x is not None for x in (loss, *signals, *lengths)) or score.gains
    if not score.received and figures:  # 2
        return "has figures although the model was not received"
    if (score.signal_micro is None) != (score.expected_micro is None):  # 3
        return "has a signal without its expectation, or the other way round"
    if len({x is None for x in lengths}) > 1:
        return "has only some of the lengths of its sums"
    gains = tuple(x for gain in score.gains for x in (gain.gain_micro, gain.expected_micro))
    if any(x is not None and abs(x) > MOST_MICRO for x in signals + lengths + gains):
        return f"has a signal beyond {MOST_MICRO} millionths"
    if loss is not None and not 0 <= loss <= PPM:
        return f"has a loss outside 0 to {PPM} millionths"
    if [gain.keeper for gain in score.gains] != sorted({gain.keeper for gain in score.gains}):  # 4
        return "has its gains out of order"
    return ""
