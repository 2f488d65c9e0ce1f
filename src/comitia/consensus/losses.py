"""Losses that judges measured: whose rows can tell, whose models they condemn, and the MAE that ranks."""

from __future__ import annotations

from collections.abc import Mapping, Set
from fractions import Fraction

from comitia.consensus.figures import Figures, median
from comitia.consensus.rules import QualityRules
from comitia.consensus.score_sheet import Score
from comitia.consensus.tolerance import tolerance_ppm
from comitia.core.ids import NodeId
from comitia.core.units import PPM


def reference_rows(figures: Mapping[NodeId, Figures], received: Set[NodeId], rules: QualityRules) -> dict[NodeId, bool]:
    """Check 3: for each model with a reference loss, whether it is too high. Empty if that cannot be told."""
    losses = {author: loss for author in received if (loss := figures[author].reference_loss_ppm) is not None}
    return _row(losses, tolerance_ppm(len(figures), rules.reference_size, beta_ppm=rules.beta_ppm), rules)


def holdout_rows(
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
    middle = median(Fraction(loss) for loss in losses.values())
    if middle is None or tolerance is None or tolerance > rules.widest_tolerance_ppm:
        return {}
    bound = middle + 2 * tolerance + rules.margin_ppm
    return {author: loss > bound for author, loss in losses.items()}


def mae_ppm(
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
        middle = median(Fraction(loss) for loss in source if loss is not None)
        if middle is not None:
            return int(middle)
    rho = figures.rho or Fraction(0)
    return PPM - int(PPM * min(Fraction(1), max(Fraction(0), rho)))
