"""Make docs/reference/learning-figures.md from benchmarks/results/learning-table.json: reached beside aimed at.

python tools/learning_table.py            # write it
python tools/learning_table.py --check    # write nothing; exit status 1 if it is old
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results" / "learning-table.json"
PAGE = ROOT / "docs" / "reference" / "learning-figures.md"
LOSS = 0.003
"""Below public knowledge by no more than this is not worse."""

HEAD = """# Learning: figures reached and aimed at

Macro one-vs-rest AUC on documents that nobody trains on, mean ± standard deviation over 5 seeds, noise drawn afresh at
every run; delta 1e-5, neighbours differ by replacing one document, budget for each provider and request; 9 providers
where the data have none of their own. *Goal* is what the design aims at, **bold** where it is missed by more than one
deviation. *Public* is public knowledge alone, without any sharing: read every figure beside it. *inf* is the same
learner with all documents public. *Foretold* is the gain over public that `comitia request --preview` would have
bracketed.

- 20News and Reuters: trained on split `train`; every other document of `test`, unlabelled, is the pool, the others are
  evaluated. Of newsgroup posts the body alone is taken (`--part post-body`: no header block, quoted lines, signature),
  since those give the group away. Names are those of the data's `categories-*.toml`, written by someone who knows the
  data: public-only figures with them are on the high side.
- Excavators: NIST's maintenance work orders, each machine a provider; a quarter of each is held out; work orders with
  no single one of the eight biggest systems are the pool. Goals with 2 new systems do not say how many references the
  others have; 10 come nearest.
- WebKB, which the design measured too, is not among the data this project has, so it is not measured.

Every row is one command; all of them are `benchmarks/learning.toml`, run by

    python benchmarks/record.py learning-table -- python benchmarks/table.py

and this page is made from what that kept, by `python tools/learning_table.py`.
"""


def page() -> str:
    kept = json.loads(RESULTS.read_text("utf-8"))
    machine = kept["machine"]
    lines = [
        HEAD,
        f"Measured {kept['day']} at commit `{kept['commit'][:12]}` "
        f"on {machine['processors']} processors ({machine['architecture']}), Python {machine['python']}.",
    ]
    for row in kept["results"]:
        lines += ["", f"## {row['task']}", "", "```console", f"$ {row['command']}", "```", ""]
        lines += [f"Not measured: {row['error']}."] if "error" in row else _table(row)
    return "\n".join(lines) + "\n"


def _table(row: dict[str, Any]) -> list[str]:
    results, goals = row["results"], row["goals"]
    public = results[0]["auc_public_only"]
    lines = [
        "| epsilon | AUC | goal | foretold | worst class | new | goal | CPU s |",
        "|---|---|---|---|---|---|---|---|",
    ]
    new_public = results[0]["auc_public_only_new"]
    lines.append(
        f"| public | {_met(public, 0.0, goals.get('public'))} | {_cell(goals.get('public'))} | | "
        f"| {_cell(new_public)} | {_cell(row['new'].get('public'))} | |"
    )
    for one in results:
        epsilon = f"{one['epsilon']:g}" if isinstance(one["epsilon"], float) else one["epsilon"]
        goal = public - LOSS if row["at_least_public"] else goals.get(epsilon)
        told = one.get("gain_foretold")
        lines.append(
            f"| {epsilon} | {_met(one['auc'], one['auc_std'], goal)} ± {one['auc_std']:.3f} | {_cell(goal)} "
            f"| {'' if told is None else f'+{told[0]:.3f} to +{told[1]:.3f}'} | {one['auc_worst_class']:.3f} "
            f"| {_cell(one['auc_new'])} | {_cell(row['new'].get(epsilon))} | {one['cpu_s']:.2f} |"
        )
    return lines


def _met(reached: float, deviation: float, goal: float | None) -> str:
    """The figure, bold where it misses its goal by more than a deviation (and more than rounding)."""
    missed = goal is not None and reached < goal - max(deviation, 0.0005)
    return f"**{reached:.3f}**" if missed else f"{reached:.3f}"


def _cell(figure: float | None) -> str:
    return "" if figure is None else f"{figure:.3f}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    made = page()
    if PAGE.exists() and PAGE.read_text("utf-8") == made:
        return 0
    if parser.parse_args().check:
        print(f"{PAGE.relative_to(ROOT)} is old: run python tools/learning_table.py", file=sys.stderr)  # noqa: T201
        return 1
    PAGE.write_text(made, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
