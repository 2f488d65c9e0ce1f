"""Make the state diagram in docs/concepts/session.md from `TRANSITIONS` in ledger/session.py.

python tools/session_diagram.py            # write it
python tools/session_diagram.py --check    # write nothing; exit status 1 if it is old
"""

from __future__ import annotations

import sys
from pathlib import Path

from comitia.ledger.session import OPEN_PHASES, TRANSITIONS, Phase

PAGE = Path(__file__).resolve().parent.parent / "docs" / "concepts" / "session.md"
BEGIN = "```mermaid\nstateDiagram-v2\n"
END = "```\n"


def diagram() -> str:
    """The diagram's lines: the beginning, every change of phase with its condition, the ends."""
    lines = [f"    [*] --> {Phase.CONSENT.name}: OpenRequest"]
    # Mermaid takes a semicolon for the end of a statement.
    lines += [f"    {before.name} --> {after.name}: {when.replace(';', ',')}" for before, after, when in TRANSITIONS]
    lines += [f"    {phase.name} --> [*]" for phase in Phase if phase not in OPEN_PHASES]
    return "\n".join(lines) + "\n"


def main() -> int:
    page = PAGE.read_text(encoding="utf-8")
    start = page.index(BEGIN) + len(BEGIN)
    made = page[:start] + diagram() + page[page.index(END, start) :]
    if "--check" not in sys.argv[1:]:
        PAGE.write_text(made, encoding="utf-8")
        return 0
    if made != page:
        sys.stderr.write("the diagram in docs/concepts/session.md is old; run python tools/session_diagram.py\n")
    return int(made != page)


if __name__ == "__main__":
    sys.exit(main())
