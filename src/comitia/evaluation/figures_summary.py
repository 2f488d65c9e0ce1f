"""The points of Figs. 9 to 12 as curves, and as a page in words and tables beside what the paper says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from comitia.evaluation.figures import COMITIA, LITERAL, METHODS, Point

FIGURES: Final = {("20news", "auc"): 9, ("reuters", "auc"): 10, ("20news", "cpu_s"): 11, ("reuters", "cpu_s"): 12}
AXES: Final = {"auc": "AUC (macro, one against the rest)", "cpu_s": "CPU time, seconds"}

_HEAD: Final = """\
# Figures 9 to 12, measured anew

Mean and standard deviation over the seeds of macro one-vs-rest AUC on documents that nobody trains on, and of CPU
time. Epsilon {epsilon} a provider and request, delta 1e-5, names of categories public, no references. Central methods
see all texts and are not private; `paper_literal` is the paper's mechanism as written, and is not private either.

## What differs from the paper

- *Data.* Of newsgroup posts the body alone is taken, since headers, quotes and signatures give the group away; of
  Reuters the stories with just one topic, of the eight biggest (the paper counts 116 categories and says no more).
- *Sub-data sets.* Sorted, cut into shards, recombined, as in section IV.B; how many of what size the paper does not
  say. Of one seed a smaller sub-data set is a part of a larger one; shards are not cut, so that a size is met to half
  a shard. AUC is over the categories that the sub-data set has: sizes differ in difficulty too.
- *Privacy.* The paper names no epsilon for its figures.
- *Running time.* CPU time of all providers one after the other in one process, from vectors and counted words on,
  with the scores of the evaluated documents. The paper's is elapsed time of something that it does not delimit.
- *Text GCN* is an implementation of its own, with its authors' 200 epochs, 6,000 words and 64 hidden units.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mean:
    """A method on sub-data sets of one size: means and standard deviations over the seeds; AUC and CPU seconds."""

    dataset: str
    method: str
    providers: int
    size: int
    seeds: int
    auc: float
    auc_std: float
    cpu_s: float
    cpu_s_std: float

    @property
    def curve(self) -> str:
        """The curve that it is a point of, as the legend has it."""
        return f"{self.method}, {self.providers} providers" if self.method in (COMITIA, LITERAL) else self.method


def means(points: Sequence[Point]) -> list[Mean]:
    """All means: in the order of data sets as they come, of `METHODS`, of providers, of sizes."""
    groups: dict[tuple[str, str, int, int], list[Point]] = {}
    for point in points:
        groups.setdefault((point.dataset, point.method, point.providers, point.size), []).append(point)
    datasets = list(dict.fromkeys(point.dataset for point in points))
    order = sorted(groups, key=lambda key: (datasets.index(key[0]), METHODS.index(key[1]), *key[2:]))
    return [_mean(key, groups[key]) for key in order]


def _mean(key: tuple[str, str, int, int], points: Sequence[Point]) -> Mean:
    dataset, method, providers, size = key
    auc, cpu_s = np.array([(point.auc, point.cpu_s) for point in points]).T
    return Mean(
        dataset=dataset,
        method=method,
        providers=providers,
        size=size,
        seeds=len(points),
        auc=float(np.mean(auc)),
        auc_std=float(np.std(auc)),
        cpu_s=float(np.mean(cpu_s)),
        cpu_s_std=float(np.std(cpu_s)),
    )


def summary(found: Sequence[Mean], *, epsilon: str, picture: str) -> str:
    """A page of Markdown: what the paper says beside what was measured, then chart and table for each figure.

    picture : where a figure's chart is, with ``{}`` for its number.
    """
    parts = [_HEAD.format(epsilon=epsilon), _beside_the_paper(found)]
    for (dataset, measure), number in FIGURES.items():
        of_figure = [mean for mean in found if mean.dataset == dataset]
        if of_figure:
            seeds = " to ".join(map(str, sorted({mean.seeds for mean in of_figure})))
            parts += [
                f"## Fig. {number}: {AXES[measure]}, {dataset}, {seeds} seeds\n",
                f"![Fig. {number}]({picture.format(number)})\n",
                _table(measure, of_figure),
            ]
    return "\n".join(parts)


def _beside_the_paper(found: Sequence[Mean]) -> str:
    """The sentences of section IV.C that hold a number or a tendency, each with ours."""
    lines = ["## Beside the paper's words", ""]
    ours = [mean for mean in found if mean.method == COMITIA]
    for dataset in dict.fromkeys(mean.dataset for mean in ours):
        here = [mean for mean in ours if mean.dataset == dataset]
        counts = sorted({mean.providers for mean in here})
        fewest, most = ([mean for mean in here if mean.providers == count] for count in (counts[0], counts[-1]))
        lines += [
            f"- {dataset}: average AUC {_average(here, 'auc'):.3f} (the paper: .918 on 20News); from {counts[0]} to "
            f"{counts[-1]} providers it changes by {_average(most, 'auc') - _average(fewest, 'auc'):+.3f} (the paper: "
            '"little").',
            f"- {dataset}: average running time {1e3 * _average(here, 'cpu_s'):.0f} ms (the paper: 880 ms on 20News); "
            f"{counts[-1]} providers take {_average(most, 'cpu_s') / _average(fewest, 'cpu_s'):.1f} times as long as "
            f"{counts[0]} (the paper: longer).",
        ]
    return "\n".join(lines) + "\n"


def _average(found: Sequence[Mean], measure: str) -> float:
    return float(np.mean([getattr(mean, measure) for mean in found]))


def _table(measure: str, found: Sequence[Mean]) -> str:
    sizes = sorted({mean.size for mean in found})
    lines = [f"| documents | {' | '.join(map(str, sizes))} |", "|---" * (len(sizes) + 1) + "|"]
    for curve in dict.fromkeys(mean.curve for mean in found):
        cells = {
            mean.size: f"{getattr(mean, measure):.3f} ± {getattr(mean, measure + '_std'):.3f}"
            for mean in found
            if mean.curve == curve
        }
        lines.append(f"| {curve} | {' | '.join(cells.get(size, '') for size in sizes)} |")
    return "\n".join(lines) + "\n"
