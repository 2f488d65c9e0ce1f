"""The points of Figs. 9 to 12 as drawings and as a summary in words and tables."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

from comitia.evaluation.extras import extra
from comitia.evaluation.figures import COMITIA, LITERAL, METHODS, Point

FIGURES: Final = {("20news", "auc"): 9, ("reuters", "auc"): 10, ("20news", "cpu_s"): 11, ("reuters", "cpu_s"): 12}
AXES: Final = {"auc": "AUC (macro, one against the rest)", "cpu_s": "CPU time, seconds"}


def series(points: Sequence[Point], dataset: str, measure: str) -> dict[str, list[tuple[int, float, float]]]:
    """Curves by name: (documents, mean, standard deviation over the seeds) for each size."""
    curves: dict[str, list[tuple[int, float, float]]] = {}
    for method in METHODS:
        numbers = sorted({point.providers for point in points if point.method == method})
        for providers in numbers:
            name = f"{method}, {providers} providers" if method in (COMITIA, LITERAL) else method
            chosen = [
                point
                for point in points
                if (point.dataset, point.method, point.providers) == (dataset, method, providers)
            ]
            for size in sorted({_near(point.documents) for point in chosen}):
                values = [getattr(point, measure) for point in chosen if _near(point.documents) == size]
                curves.setdefault(name, []).append((size, float(np.nanmean(values)), float(np.nanstd(values))))
    return curves


def draw(points: Sequence[Point], folder: Path) -> list[Path]:
    """A PNG and an SVG for each figure that there are points for."""
    matplotlib = extra("matplotlib")
    matplotlib.use("Agg")
    matplotlib.rcParams["svg.hashsalt"] = "comitia"
    pyplot = extra("matplotlib.pyplot")
    written = []
    for (dataset, measure), number in FIGURES.items():
        curves = series(points, dataset, measure)
        if not curves:
            continue
        figure, axes = pyplot.subplots(figsize=(8, 5))
        for name, curve in curves.items():
            sizes, means, deviations = zip(*curve, strict=True)
            axes.errorbar(sizes, means, yerr=deviations, marker="o", capsize=2, label=name)
        axes.set_xlabel("documents of the sub-data set")
        axes.set_ylabel(AXES[measure])
        axes.set_xscale("log")
        if measure == "cpu_s":
            axes.set_yscale("log")
        axes.set_title(f"Fig. {number} measured anew: {dataset}")
        axes.legend(fontsize=7)
        axes.grid(alpha=0.3)
        for ending in ("png", "svg"):
            path = folder / f"fig-{number}.{ending}"
            figure.savefig(path, bbox_inches="tight", metadata={"Date": None} if ending == "svg" else None)
            written.append(path)
        pyplot.close(figure)
    return written


def summary(points: Sequence[Point], *, epsilon: str) -> str:
    """A page of Markdown: a table for each figure, mean and deviation over the seeds that there are."""
    lines = [
        "# Figures 9 to 12, measured anew",
        "",
        f"Epsilon {epsilon} a provider and request, delta 1e-5, names of categories public, no references; mean and",
        "standard deviation over the seeds. Central methods see all texts and are not private; `paper_literal` is",
        "the paper's mechanism as written, and is not private either. CPU time is from vectors on, in one process.",
    ]
    for (dataset, measure), number in FIGURES.items():
        curves = series(points, dataset, measure)
        if not curves:
            continue
        sizes = sorted({size for curve in curves.values() for size, _, _ in curve})
        seeds = len({point.seed for point in points if point.dataset == dataset})
        lines += ["", f"## Fig. {number}: {AXES[measure]}, {dataset}, {seeds} seeds", ""]
        lines += [f"| documents | {' | '.join(map(str, sizes))} |", "|---" * (len(sizes) + 1) + "|"]
        for name, curve in curves.items():
            cells = {size: f"{mean:.3f} ± {deviation:.3f}" for size, mean, deviation in curve}
            lines.append(f"| {name} | {' | '.join(cells.get(size, '') for size in sizes)} |")
    return "\n".join(lines) + "\n"


def _near(documents: int) -> int:
    """The size that a sub-data set was meant to have, to two figures: shards are not all equally long."""
    digits: int = 10 ** max(0, len(str(documents)) - 2)
    return round(documents / digits) * digits
