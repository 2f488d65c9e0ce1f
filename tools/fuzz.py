"""Feed a decoder with altered inputs, as many as wanted; stops at the first that is neither taken nor refused.

    python tools/fuzz.py --list
    python tools/fuzz.py envelope --runs 10000000
    python tools/fuzz.py envelope --runs 10000000 --atheris
    python tools/fuzz.py all --runs 10000000 --seconds 600

Without --atheris the inputs are alterations of good ones, from --seed on: the same seed, the same inputs. With it,
libFuzzer looks for inputs that reach new code (`pip install --group fuzz`). What fails is kept in --kept as a file, and
`python tools/fuzz.py DECODER --file FILE` runs that one input again.

Prints one JSON object a decoder: decoder, runs, taken, refused, slowest_ms, seconds, memory_mb, engine, seed.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from random import Random

import psutil

ROOT = Path(__file__).resolve().parent.parent
PATHS = [ROOT / "tests" / part for part in ("fuzz", "ledger", "learning")]
CROSSED_WITH = 200
"""Inputs that were taken and are not samples, kept to cross with others."""


class Run:
    """Counts what one decoder does with its inputs."""

    def __init__(self, name: str, arguments: argparse.Namespace) -> None:
        from decoders import DECODERS

        self.name, self.arguments = name, arguments
        self.decoder = DECODERS[name]
        self.known = self.decoder.samples()
        self.longest = 4 * max(map(len, self.known))
        self.taken = self.refused = 0
        self.slowest = 0.0
        self.start = time.monotonic()

    def one(self, data: bytes) -> None:
        begin = time.process_time()
        try:
            good = self.decoder.judge(data)
        except BaseException:
            self._keep(data)
            raise
        self.slowest = max(self.slowest, time.process_time() - begin)
        if good:
            self.taken += 1
            self._learn(data)
        else:
            self.refused += 1

    @property
    def done(self) -> bool:
        seconds = self.arguments.seconds
        late = bool(seconds) and time.monotonic() - self.start > seconds
        return late or self.taken + self.refused >= self.arguments.runs

    def report(self, engine: str) -> None:
        value = {
            "decoder": self.name,
            "runs": self.taken + self.refused,
            "taken": self.taken,
            "refused": self.refused,
            "slowest_ms": round(self.slowest * 1_000, 1),
            "seconds": round(time.monotonic() - self.start, 1),
            "memory_mb": psutil.Process().memory_info().rss >> 20,
            "engine": engine,
            "seed": self.arguments.seed,
        }
        print(json.dumps(value), flush=True)  # noqa: T201

    def _learn(self, data: bytes) -> None:
        if len(self.known) < CROSSED_WITH and len(data) < self.longest:
            self.known = (*self.known, data)

    def _keep(self, data: bytes) -> None:
        self.arguments.kept.mkdir(parents=True, exist_ok=True)
        path = self.arguments.kept / f"{self.name}-{time.time_ns()}"
        path.write_bytes(data)
        print(f"kept {path}", file=sys.stderr)  # noqa: T201


def by_alteration(run: Run) -> None:
    """Alter good inputs, and those that were taken on the way."""
    from mutations import mutate

    draw = Random(run.arguments.seed)
    while not run.done:
        run.one(mutate(draw.choice(run.known), draw, run.known))
    run.report("alteration")


def by_coverage(run: Run) -> None:
    """Let libFuzzer choose; it ends the process itself."""
    import atheris
    from mutations import mutate

    corpus = run.arguments.kept / f"{run.name}-corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    for number, data in enumerate(run.known):
        (corpus / str(number)).write_bytes(data)

    def one(data: bytes) -> None:
        run.one(data)
        if run.done:
            run.report("atheris")

    def alter(data: bytes, limit: int, seed: int) -> bytes:
        draw = Random(seed)
        if draw.random() < 0.5:
            return bytes(atheris.Mutate(data, limit))
        return mutate(data, draw, run.known)[:limit]

    options = [f"-runs={run.arguments.runs}", f"-max_total_time={run.arguments.seconds}", f"-max_len={run.longest}"]
    options += ["-rss_limit_mb=2048", "-timeout=60", f"-seed={run.arguments.seed}", str(corpus)]
    atheris.Setup([sys.argv[0], *options], one, custom_mutator=alter)
    atheris.Fuzz()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("decoders", nargs="*", help="names, or 'all', one after the other")
    parser.add_argument("--list", action="store_true", help="names of the decoders")
    parser.add_argument("--runs", type=int, default=100_000)
    parser.add_argument("--seconds", type=int, default=0, help="stop a decoder after so long; 0 does not")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--atheris", action="store_true")
    parser.add_argument("--file", type=Path, help="run only this input")
    parser.add_argument("--kept", type=Path, default=ROOT / ".fuzz", help="where failing inputs go")
    arguments = parser.parse_args()
    sys.path[:0] = [str(path) for path in PATHS]
    if arguments.atheris:
        import atheris

        with atheris.instrument_imports(include=["comitia"]):
            import decoders
    else:
        import decoders
    if arguments.list or not arguments.decoders:
        print("\n".join(decoders.DECODERS))  # noqa: T201
        return 0
    for name in decoders.DECODERS if arguments.decoders == ["all"] else arguments.decoders:
        run = Run(name, arguments)
        if arguments.file is not None:
            print("taken" if run.decoder.judge(arguments.file.read_bytes()) else "refused")  # noqa: T201
        elif arguments.atheris:
            by_coverage(run)
        else:
            by_alteration(run)
    return 0


if __name__ == "__main__":
    sys.exit(main())
