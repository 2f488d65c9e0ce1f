"""The paper's figures on made-up documents, small: every method runs, and what is written fits the points."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from arro3.core import Array, DataType, Table
from arro3.io import write_parquet
from click.testing import CliRunner

from comitia.app.cli import cli, main
from comitia.evaluation.datasets import Corpus
from comitia.evaluation.figures import CENTRAL, COMITIA, GCN, PUBLIC_ONLY, Material, Plan, measure, write_points
from comitia.evaluation.figures_summary import means, summary
from comitia.evaluation.text_gcn import Settings, text_gcn, words_of
from comitia.learning.registry import learner
from comitia.privacy.noise import SeededNoise
from comitia.text.categories import Category
from comitia.text.documents import Document

WORDS = {"pump": "pump hose valve oil", "lamp": "lamp fuse cable switch", "gear": "gear shaft bearing tooth"}


def texts(count: int, seed: int) -> list[Document]:
    generator = np.random.Generator(np.random.PCG64(seed))
    return [
        Document(text=" ".join(generator.choice([*own.split(), "left", "right", "check"], 5)), label=label)
        for _ in range(count)
        for label, own in WORDS.items()
    ]


@pytest.fixture(scope="module")
def material() -> Material:
    return Material.of(
        Corpus(
            name="reuters",
            categories=tuple(Category(label=label, name=label) for label in sorted(WORDS)),
            pool=tuple(document.text for document in texts(40, 1)),
            private=tuple(texts(120, 2)),
            evaluated=tuple(texts(40, 3)),
        )
    )


def test_methods_side_by_side(material: Material, tmp_path: Path) -> None:
    plan = Plan(sizes=(360,), providers=(3, 6), epsilon="4", seeds=2, methods=(COMITIA, PUBLIC_ONLY, CENTRAL, GCN))
    points = [
        point
        for seed in range(plan.seeds)
        for point in measure(material, plan, size=360, seed=seed, learner=learner("prototype"), noise=SeededNoise(b"f"))
    ]
    assert len(points) == 10
    found = means(points)
    assert [mean.curve for mean in found] == [f"{COMITIA}, 3 providers", f"{COMITIA}, 6 providers", *plan.methods[1:]]
    assert all(mean.auc > 0.9 for mean in found if mean.method != PUBLIC_ONLY)
    assert all(mean.seeds == 2 for mean in found)
    write_points(tmp_path / "points.csv", points)
    assert len((tmp_path / "points.csv").read_text().splitlines()) == 11
    page = summary(found, epsilon="4", picture="fig-{}.svg")
    assert "Fig. 10" in page
    assert "(fig-12.svg)" in page
    assert "Fig. 9" not in page
    assert f"{np.mean([point.auc for point in points if point.method == COMITIA]):.3f} (the paper: .918" in page


def test_a_smaller_sub_data_set_is_a_part_of_a_larger_one(material: Material) -> None:
    plan = Plan(methods=(PUBLIC_ONLY,))
    documents = [
        measure(material, plan, size=size, seed=0, learner=learner("prototype"), noise=SeededNoise(b"f"))[0].documents
        for size in (36, 180, 9999)
    ]
    assert documents[0] < documents[1] < documents[2] == 360


def test_the_benchmark_needs_no_word_at_all() -> None:
    nothing = words_of(["", ""])
    scores = text_gcn(nothing[:1], np.array([0]), nothing[1:], 2, np.random.default_rng(1), Settings(epochs=2))
    assert scores.shape == (1, 2)


@pytest.mark.parametrize(
    "options", [["--datasets", "imdb"], ["--sizes", "few"], ["--epsilon", "-1"], ["--learner", "oracle"]]
)
def test_figures_that_cannot_be_measured(options: list[str], tmp_path: Path) -> None:
    out = tmp_path / "figures"
    assert main(["bench", "figures", "--out", str(out), "--data", str(tmp_path), *options]) == 3
    assert not out.exists()


def test_the_command_measures_in_a_process_and_draws(tmp_path: Path) -> None:
    posts = [(document, split) for split, seed in (("train", 1), ("test", 2)) for document in texts(30, seed)]
    columns = {
        "text": [f"Subject: {document.label}\n\n{document.text}" for document, _ in posts],
        "label": [document.label for document, _ in posts],
        "split": [split for _, split in posts],
    }
    table = Table.from_pydict({name: Array(values, DataType.utf8()) for name, values in columns.items()})
    write_parquet(table, str(tmp_path / "20news.parquet"))
    (tmp_path / "categories-20news.toml").write_text(
        '[[category]]\nid = "pump"\ndescription = "pump"\n', encoding="utf-8"
    )
    out, without = (
        tmp_path / "figures",
        ["--without", "paper_literal", "--without", "LightGBM (central)", "--without", GCN],
    )
    options = ["--data", str(tmp_path), "--datasets", "20news", "--sizes", "45,90", "--seeds", "1", "--workers", "1"]
    run = CliRunner().invoke(cli, ["bench", "figures", "--out", str(out), *options, *without, "--format", "json"])
    *found, last = [json.loads(line) for line in run.stdout.splitlines()]
    assert {(row["method"], row["size"]) for row in found} >= {(COMITIA, 45), (COMITIA, 90), (CENTRAL, 90)}
    assert last["cpu_s"] > 0
    assert sorted(path.name for path in out.iterdir()) == sorted(Path(path).name for path in last["written"])
    assert {"points.csv", "summary.md", "fig-9.png", "fig-9.svg", "fig-11.png"} <= {path.name for path in out.iterdir()}


def test_a_folder_without_the_data_is_named(tmp_path: Path) -> None:
    assert main(["bench", "figures", "--out", str(tmp_path / "figures"), "--data", str(tmp_path)]) == 6
