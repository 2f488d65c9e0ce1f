"""Draw the documentation's charts from kept results; needs the extra `plots`.

python benchmarks/draw.py
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from comitia.app.bench import consensus, figures, retrieval
from comitia.app.drawing.files import write_charts
from comitia.evaluation.consensus import Conduct, Cost
from comitia.evaluation.figures_summary import Mean

RESULTS = Path(__file__).resolve().parent / "results"
PICTURES = RESULTS.parent.parent / "docs" / "pictures"


def main() -> None:
    PICTURES.mkdir(exist_ok=True)
    costs = [Cost(**{**row, "conduct": Conduct(row["conduct"])}) for row in kept("consensus")]
    write_charts(PICTURES / "consensus.svg", consensus.charts(costs), title=consensus.TITLE)
    found = kept("retrieval-scale") + kept("retrieval-100000") + kept("retrieval-1000000")
    write_charts(PICTURES / "retrieval.svg", retrieval.charts(found), title=retrieval.TITLE)
    means = [Mean(**row) for row in kept("figures") if "auc" in row]
    for number, charts in figures.charts(means).items():
        write_charts(PICTURES / f"fig-{number}.svg", charts)


def kept(name: str) -> list[dict[str, Any]]:
    """What a benchmark printed, a row each."""
    rows: list[dict[str, Any]] = json.loads((RESULTS / f"{name}.json").read_text("utf-8"))["results"]
    return rows


if __name__ == "__main__":
    main()
