"""The paper's figures on made-up documents, small: every method runs, and what is written fits the points."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from comitia.core.errors import UnavailableError
from comitia.evaluation import extras
from comitia.evaluation.datasets import Corpus
from comitia.evaluation.figures import CENTRAL, COMITIA, GCN, PUBLIC_ONLY, Plan, measure, write_points
from comitia.evaluation.learning import Prepared
from comitia.evaluation.plots import series, summary
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
def prepared() -> Prepared:
    return Prepared.of(
        Corpus(
            name="reuters",
            categories=tuple(Category(label=label, name=label) for label in sorted(WORDS)),
            pool=tuple(document.text for document in texts(40, 1)),
            private=tuple(texts(120, 2)),
            evaluated=tuple(texts(40, 3)),
        )
    )


def test_methods_side_by_side(prepared: Prepared, tmp_path: Path) -> None:
    plan = Plan(sizes=(360,), providers=(3,), epsilon="4", seeds=2, methods=(COMITIA, PUBLIC_ONLY, CENTRAL, GCN))
    points = list(measure(prepared, plan, learner=learner("prototype"), noise=SeededNoise(b"f")))
    assert len(points) == 8
    found = {name: curve[0][1] for name, curve in series(points, "reuters", "auc").items()}
    assert all(auc > 0.9 for name, auc in found.items() if name != PUBLIC_ONLY)
    write_points(tmp_path / "points.csv", points)
    assert len((tmp_path / "points.csv").read_text().splitlines()) == 9
    page = summary(points, epsilon="4")
    assert "Fig. 10" in page
    assert "Fig. 9" not in page.replace("Figures 9", "")


def test_a_missing_extra_is_named() -> None:
    with pytest.raises(UnavailableError) as caught:
        extras.extra("comitia_has_no_such_module")
    assert "comitia[figures]" in caught.value.hint
