"""The paper's figures measured anew, on all processors; the measuring itself is `evaluation.figures`."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict
from pathlib import Path
from typing import Final

import click
from rich.progress import Progress

from comitia.app.drawing.charts import Chart, Curve
from comitia.app.drawing.files import write_charts
from comitia.app.options import whole_numbers
from comitia.app.output import console, emit_each, format_option
from comitia.core.errors import InputError
from comitia.core.extras import extra
from comitia.evaluation import datasets
from comitia.evaluation.figures import LITERAL, METHODS, PACKAGES, Material, Plan, Point, measure, write_points
from comitia.evaluation.figures_summary import AXES, FIGURES, Mean, means, summary
from comitia.learning.contract import Learner
from comitia.learning.registry import learner as learner_named
from comitia.privacy.noise import SystemNoise
from comitia.privacy.terms import PrivacyTerms

_CORPORA: Final[dict[str, Callable[[Path | None], datasets.Corpus]]] = {
    "20news": datasets.twenty_news,
    "reuters": datasets.reuters,
}
_ONE_THREAD: Final = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
"""For numpy in a worker: threads that wait for a processor would count as time."""


@click.command()
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), required=True, help="Folder to write to.")
@click.option("--data", type=click.Path(path_type=Path, file_okay=False), help="Folder of the data. Default: see docs.")
@click.option("--datasets", "names", default="20news,reuters", show_default=True)
@click.option("--sizes", default="500,1000,2000,4000", show_default=True, help="Documents of the sub-data sets.")
@click.option("--providers", default="3,6,9", show_default=True)
@click.option("--without", multiple=True, type=click.Choice(METHODS), help="Leave a method out; repeat.")
@click.option("--learner", default="prototype", show_default=True)
@click.option("--epsilon", default="1", show_default=True)
@click.option("--seeds", type=click.IntRange(min=1), default=5, show_default=True)
@click.option("--workers", type=click.IntRange(min=1), help="Processes that measure. Default: one a processor.")
@format_option
def figures(
    out: Path,
    data: Path | None,
    names: str,
    sizes: str,
    providers: str,
    without: tuple[str, ...],
    learner: str,
    epsilon: str,
    seeds: int,
    workers: int | None,
    output: str,
) -> None:
    """Measure Figs. 9 to 12 of the paper anew, beside baselines: CSV, charts, a summary.

    The charts and most baselines need the extra `figures`. Points are kept after each sub-data set.
    """
    plan = Plan(
        sizes=whole_numbers(sizes, "--sizes"),
        providers=whole_numbers(providers, "--providers"),
        epsilon=epsilon,
        seeds=seeds,
        methods=tuple(method for method in METHODS if method not in without),
    )
    using = learner_named(learner)
    PrivacyTerms.of(epsilon, plan.delta)
    corpora = _corpora(names, data)
    for package in ("matplotlib", *(package for method in plan.methods for package in PACKAGES.get(method, ()))):
        extra(package)
    out.mkdir(parents=True, exist_ok=True)
    points: list[Point] = []
    began, cpu_s = time.monotonic(), 0.0
    with Progress(console=console(stderr=True), transient=True) as progress:
        shown = progress.add_task("making vectors", total=len(corpora) * seeds * len(plan.sizes))
        for made, seconds in _measured(corpora, plan, using, workers):
            points += made
            cpu_s += seconds
            write_points(out / "points.csv", points)
            progress.update(shown, advance=1, description=f"{made[0].dataset}, {made[0].size} documents")
    cpu_s += time.process_time()
    found = means(points)
    page = out / "summary.md"
    page.write_text(summary(found, epsilon=epsilon, picture="fig-{}.png"), encoding="utf-8")
    run = {
        "cpu_s": round(cpu_s, 1),
        "wall_s": round(time.monotonic() - began, 1),
        "written": [str(path) for path in (out / "points.csv", page, *_draw(found, out))],
    }
    emit_each([*map(asdict, found), run], output)
    if output == "text":
        click.echo(page.read_text(encoding="utf-8"))


def _corpora(names: str, folder: Path | None) -> list[datasets.Corpus]:
    for name in names.split(","):
        if name not in _CORPORA:
            raise InputError(
                f"the paper has no data set {name!r}", code="bad-option", hint=f"--datasets {','.join(_CORPORA)}"
            )
    return [_CORPORA[name](folder) for name in dict.fromkeys(names.split(","))]


def _measured(
    corpora: Sequence[datasets.Corpus], plan: Plan, learner: Learner, workers: int | None
) -> Iterator[tuple[list[Point], float]]:
    """The points of each sub-data set as they come, and the CPU seconds that they took in all."""
    os.environ.update(_ONE_THREAD)
    pool = ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn"))
    try:
        tasks = [
            pool.submit(_measure, material, plan, size, seed, learner)
            for material in map(Material.of, corpora)
            for seed in range(plan.seeds)
            for size in plan.sizes
        ]
        for task in as_completed(tasks):
            yield task.result()
    finally:
        pool.shutdown(cancel_futures=True)


def _measure(material: Material, plan: Plan, size: int, seed: int, learner: Learner) -> tuple[list[Point], float]:
    """In a process of its own."""
    start = time.process_time()
    points = measure(material, plan, size=size, seed=seed, learner=learner, noise=SystemNoise())
    return points, time.process_time() - start


def charts(found: Sequence[Mean]) -> dict[int, list[Chart]]:
    """Charts for each figure of the paper that there are means for, by its number."""
    drawn = {}
    for (dataset, measured), number in FIGURES.items():
        here = [mean for mean in found if mean.dataset == dataset]
        title = f"Fig. {number} measured anew: {dataset}"
        if here and measured == "cpu_s":
            drawn[number] = [_chart(title, here, measured)]
        elif here:
            others = [mean for mean in here if mean.method != LITERAL]
            drawn[number] = [_chart(title, here, measured), _chart(f"the same without {LITERAL}", others, measured)]
    return drawn


def _draw(found: Sequence[Mean], folder: Path) -> list[Path]:
    written = []
    for number, drawn in charts(found).items():
        for file in (folder / f"fig-{number}.png", folder / f"fig-{number}.svg"):
            write_charts(file, drawn)
            written.append(file)
    return written


def _chart(title: str, found: Sequence[Mean], measured: str) -> Chart:
    by_name: dict[str, list[Mean]] = {}
    for mean in found:
        by_name.setdefault(mean.curve, []).append(mean)
    curves = tuple(
        Curve(
            name=name,
            points=tuple((mean.size, getattr(mean, measured)) for mean in curve),
            deviations=tuple(getattr(mean, f"{measured}_std") for mean in curve),
            family=curve[0].method,
        )
        for name, curve in by_name.items()
    )
    return Chart(
        title=title,
        x="documents of the sub-data set",
        y=AXES[measured],
        curves=curves,
        log_x=True,
        log_y=measured == "cpu_s",
    )
