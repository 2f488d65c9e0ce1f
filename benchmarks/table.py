"""Measure every row of benchmarks/learning.toml; prints one JSON object a row.

python benchmarks/record.py learning-table -- python benchmarks/table.py [PART OF A TASK'S NAME]
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import shlex
import sys
import tomllib
from pathlib import Path
from typing import Any

from comitia.app.bench.learning import learning
from comitia.core.errors import ComitiaError

ROWS = Path(__file__).resolve().parent / "learning.toml"
ALWAYS = "--providers 9 --seeds 5 --format json"


def main() -> None:
    wanted = " ".join(sys.argv[1:])
    table = tomllib.loads(ROWS.read_text("utf-8"))
    folder = os.environ.get("COMITIA_DATA", "../shared/data")
    for row in table["row"]:
        if wanted in row["task"]:
            print(row["task"], file=sys.stderr)  # noqa: T201
            print(json.dumps(measured(row, table["data"], folder)), flush=True)  # noqa: T201


def measured(row: dict[str, Any], data: dict[str, str], folder: str) -> dict[str, Any]:
    """The row with the command that measures it, and its results or why there are none."""
    goals = row.get("goals", {})
    epsilons = row.get("at_least_public") or [epsilon for epsilon in goals if epsilon != "public"]
    # The command runs in this process, where rows on the same documents share a codebook and vectors.
    words = f"{data[row['data']]} {row['options']} --epsilon {','.join(epsilons)} {ALWAYS}"
    kept = {"task": row["task"], "command": f"comitia bench learning {words.format(folder=Path(folder).name)}"}
    kept |= {"goals": goals, "new": row.get("new", {}), "at_least_public": bool(row.get("at_least_public"))}
    printed = io.StringIO()
    try:
        with contextlib.redirect_stdout(printed):
            learning.main(shlex.split(words.format(folder=folder)), standalone_mode=False)
    except ComitiaError as error:
        return kept | {"error": error.message}
    return kept | {"results": [json.loads(line) for line in printed.getvalue().splitlines()]}


if __name__ == "__main__":
    main()
