"""Adds blocks to a ledger as fast as it can, and names each one on its output once it is acknowledged."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "ledger"))

from engine_world import EngineWorld


def main(path: Path) -> None:
    world = EngineWorld(path)
    if world.height == 0:
        world.settle_in()
    while True:
        world.note(size=30)
        head = world.engine.head
        assert head is not None
        sys.stdout.write(f"{head.height} {head.digest.hex()}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
