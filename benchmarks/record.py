"""Run a benchmark and keep its figures with what they depend on: command, commit, machine, day.

python benchmarks/record.py request-reuters-3 -- comitia bench request --data FILE ... --format json
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

RESULTS = Path(__file__).resolve().parent / "results"


def main() -> int:
    name, separator, *command = sys.argv[1:]
    if separator != "--" or not command:
        sys.exit(__doc__)
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        # Nothing is kept of a run that failed, but what it found must not be lost.
        sys.stdout.write(done.stdout)
        return done.returncode
    commit = _git("rev-parse", "HEAD")
    changed = _git("status", "--porcelain", "src")
    record = {
        "command": [Path(part).name if Path(part).is_file() else part for part in command],
        "commit": commit + (" with changes" if changed else ""),
        "day": datetime.now(UTC).date().isoformat(),
        "machine": {
            "system": platform.system(),
            "architecture": platform.machine(),
            "processors": os.cpu_count(),
            "python": platform.python_version(),
        },
        "results": [json.loads(line) for line in done.stdout.splitlines() if line.startswith(("{", "["))],
    }
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    print(path)  # noqa: T201
    return 0


def _git(*command: str) -> str:
    """What git says about the project, wherever the measuring is done."""
    found = subprocess.run(["git", *command], cwd=RESULTS.parent.parent, capture_output=True, text=True, check=True)
    return found.stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
