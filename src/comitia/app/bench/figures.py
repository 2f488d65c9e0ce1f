"""The paper's figures measured anew; the measuring itself is `evaluation.figures`."""

from __future__ import annotations

from pathlib import Path

import click

from comitia.app.output import console, emit, format_option
from comitia.core.errors import InputError
from comitia.evaluation import datasets
from comitia.evaluation.figures import METHODS, Plan, Point, measure, write_points
from comitia.evaluation.learning import Prepared
from comitia.evaluation.plots import draw, summary
from comitia.learning.registry import learner as learner_named
from comitia.privacy.noise import SystemNoise


@click.command()
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), required=True, help="Folder to write to.")
@click.option("--data", type=click.Path(path_type=Path, file_okay=False), help="Folder of the data. Default: see docs.")
@click.option("--datasets", "names", default="20news,reuters", show_default=True)
@click.option("--sizes", default="500,1000,2000,4000", show_default=True, help="Documents of the sub-data sets.")
@click.option("--providers", default="3,6,9", show_default=True)
@click.option("--without", multiple=True, type=click.Choice(METHODS), help="Leave a method out; repeat.")
@click.option("--learner", default="prototype", show_default=True)
@click.option("--epsilon", default="1", show_default=True)
@click.option("--seeds", default=5, show_default=True)
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
    output: str,
) -> None:
    """Measure Figs. 9 to 12 of the paper anew, beside baselines: CSV, drawings, a summary.

    The drawings and most baselines need the extra `figures`. Points are kept after each sub-data set.
    """
    plan = Plan(
        sizes=_numbers(sizes, "--sizes"),
        providers=_numbers(providers, "--providers"),
        epsilon=epsilon,
        seeds=seeds,
        methods=tuple(method for method in METHODS if method not in without),
    )
    using = learner_named(learner)
    out.mkdir(parents=True, exist_ok=True)
    points: list[Point] = []
    with console(stderr=True).status("starting") as status:
        for name in names.split(","):
            status.update(f"{name}: building the codebook")
            prepared = Prepared.of(_corpus(name, data))
            for point in measure(prepared, plan, learner=using, noise=SystemNoise()):
                points.append(point)
                status.update(f"{name}: seed {point.seed + 1} of {seeds}, {point.documents} documents, {point.method}")
                write_points(out / "points.csv", points)
    page = out / "summary.md"
    page.write_text(summary(points, epsilon=epsilon), encoding="utf-8")
    written = [out / "points.csv", page, *draw(points, out)]
    value = {"points": len(points), "written": [str(path) for path in written]}
    emit(value, output, lambda: click.echo(page.read_text(encoding="utf-8")))


def _corpus(name: str, folder: Path | None) -> datasets.Corpus:
    if name == "20news":
        return datasets.twenty_news(folder)
    if name == "reuters":
        return datasets.reuters(folder)
    raise InputError(f"the paper has no data set {name!r}", code="bad-option", hint="--datasets 20news,reuters")


def _numbers(text: str, option: str) -> tuple[int, ...]:
    try:
        found = tuple(int(part) for part in text.split(","))
    except ValueError:
        found = (0,)
    if min(found) < 1:
        raise InputError(f"{option} takes whole numbers above 0 with commas, not {text!r}", code="bad-option")
    return found
