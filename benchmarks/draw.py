"""Draw the documentation's charts from kept results, and make the page of the paper's figures; needs the extra `plots`.

python benchmarks/draw.py [consensus] [retrieval] [figures]
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from comitia.app.bench import consensus, figures, retrieval
from comitia.app.drawing.files import write_charts
from comitia.evaluation.consensus import Conduct, Cost
from comitia.evaluation.figures_summary import Mean, summary

RESULTS = Path(__file__).resolve().parent / "results"
DOCS = RESULTS.parent.parent / "docs"
PICTURES = DOCS / "pictures"

MEASURED = """
## How this was measured

```console
$ {command}
```

On {day} at commit `{commit}`, {processors} processors ({architecture}), Python {python}, {cpu_s:.0f} CPU seconds. This
page and its charts are made from what `benchmarks/record.py` kept, by `python benchmarks/draw.py`; all points are in
`benchmarks/results/figures`.
"""


def main() -> None:
    known = {"consensus": draw_consensus, "retrieval": draw_retrieval, "figures": draw_figures}
    PICTURES.mkdir(exist_ok=True)
    for name in sys.argv[1:] or known:
        if name not in known:
            sys.exit(__doc__)
        known[name]()


def draw_consensus() -> None:
    costs = [Cost(**{**row, "conduct": Conduct(row["conduct"])}) for row in kept("consensus")["results"]]
    write_charts(PICTURES / "consensus.svg", consensus.charts(costs), title=consensus.TITLE)


def draw_retrieval() -> None:
    found = [row for name in ("scale", "100000", "1000000") for row in kept(f"retrieval-{name}")["results"]]
    write_charts(PICTURES / "retrieval.svg", retrieval.charts(found), title=retrieval.TITLE)


def draw_figures() -> None:
    record = kept("figures")
    *rows, run = record["results"]
    means = [Mean(**row) for row in rows]
    for number, charts in figures.charts(means).items():
        write_charts(PICTURES / f"fig-{number}.svg", charts)
    measured = MEASURED.format(
        command=" ".join(record["command"]),
        day=record["day"],
        commit=record["commit"][:12],
        cpu_s=run["cpu_s"],
        **record["machine"],
    )
    page = summary(means, epsilon="1", picture="../pictures/fig-{}.svg")
    (DOCS / "reference" / "figures.md").write_text(page + measured, encoding="utf-8")


def kept(name: str) -> dict[str, Any]:
    """What a benchmark printed, with the command that did."""
    file = RESULTS / f"{name}.json"
    if not file.exists():
        sys.exit(f"there is no {file}: keep it by benchmarks/record.py first")
    record: dict[str, Any] = json.loads(file.read_text("utf-8"))
    return record


if __name__ == "__main__":
    main()
