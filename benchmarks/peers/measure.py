"""Measure federated averaging of a text classifier by another system, with real processes on this machine.

    python benchmarks/peers/measure.py flower --data reuters.parquet
    python benchmarks/peers/measure.py flare --data reuters.parquet

Each in an environment of its own: `pip install scikit-learn pyarrow psutil`, and `flwr` or `nvflare`. Nothing of
Comitia is needed. The peer does its rounds only: no privacy, no judging, no ledger, no TLS where it can be left out.

Prints one JSON object: system, version, clients, rounds, documents, wall_s and cpu_s of a job on a running system
(median over --jobs), start_s, peak_memory_mb of all processes together, auc.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, redirect_stdout
from importlib.metadata import version
from pathlib import Path

import numpy as np
import psutil
import pyarrow.parquet as pq
from local_model import Model, blank, scores
from sklearn.metrics import roc_auc_score

HERE = Path(__file__).resolve().parent
PORT = 29091
LONGEST_S = 600.0

Job = Callable[[], Model]
Row = dict[str, str]


class Watch(threading.Thread):
    """CPU seconds and memory of this process' offspring, and of all that were started with its folder in their words.

    The system's services leave their parents, and those of a round end soon: what has ended still counts.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(daemon=True)
        self.folder = str(folder)
        self.cpu: dict[tuple[int, float], float] = {}
        self.peak_mb = 0
        self._over = threading.Event()

    def run(self) -> None:
        while not self._over.wait(0.25):
            self.look()

    def look(self) -> None:
        memory = 0
        offspring = {process.pid for process in psutil.Process().children(recursive=True)}
        for process in psutil.process_iter():
            try:
                if process.pid in offspring or any(self.folder in word for word in process.cmdline()):
                    times, kept = process.cpu_times(), process.memory_info().rss
                    self.cpu[process.pid, process.create_time()] = times.user + times.system
                    memory += kept
            except psutil.Error:
                continue
        self.peak_mb = max(self.peak_mb, memory >> 20)

    @property
    def seconds(self) -> float:
        self.look()
        return sum(self.cpu.values())

    def stop(self) -> None:
        self._over.set()


@contextmanager
def running(command: list[object], log: Path, environment: dict[str, str]) -> Iterator[None]:
    """A process of the peer, ended at the end."""
    with log.open("ab") as out:
        process = subprocess.Popen([str(part) for part in command], stdout=out, stderr=out, env=environment)
        try:
            yield
        finally:
            process.terminate()
            process.wait()


@contextmanager
def flower(folder: Path, arguments: argparse.Namespace, classes: int) -> Iterator[Job]:
    """A SuperLink and its SuperNodes, without TLS."""
    home, log, model = folder / "home", folder / "log", folder / "model.npy"
    home.mkdir()
    address = f"127.0.0.1:{PORT}"
    (home / "config.toml").write_text(
        f'[superlink]\ndefault = "here"\n\n[superlink.here]\naddress = "{address}"\ninsecure = true\n', encoding="utf-8"
    )
    programs = Path(sys.executable).parent
    environment = os.environ | {
        "FLWR_HOME": str(home),
        "FLWR_TELEMETRY_ENABLED": "0",
        "PATH": os.pathsep.join([str(programs), os.environ["PATH"]]),
        "PYTHONPATH": str(HERE),
    }
    link = [programs / "flower-superlink", "--insecure", "--disable-runtime-dependency-installation", "--port", PORT]
    with ExitStack() as stack:
        stack.enter_context(running(link, log, environment))
        listening(PORT)
        for number in range(arguments.clients):
            data = folder / f"site-{number + 1}.json"
            node = [programs / "flower-supernode", "--insecure", "--superlink", address, "--port", PORT + 1 + number]
            stack.enter_context(running([*node, "--node-config", f'data="{data}"'], log, environment))
            listening(PORT + 1 + number)
        asked = f'clients={arguments.clients} classes={classes} rounds={arguments.rounds} model="{model}"'
        run = [programs / "flwr", "run", HERE / "flower", "here", "--stream", "-c", asked]

        def job() -> Model:
            model.unlink(missing_ok=True)
            done = subprocess.run(run, env=environment, capture_output=True, text=True, timeout=LONGEST_S, check=False)
            if not model.exists():
                sys.exit(done.stdout + done.stderr)
            found: Model = np.load(model)
            return found

        yield job


@contextmanager
def flare(folder: Path, arguments: argparse.Namespace, classes: int) -> Iterator[Job]:
    """A server and its sites as FLARE's proof of concept sets them up."""
    workspace = folder / "poc"
    os.environ |= {"PYTHONPATH": str(HERE), "NVFLARE_POC_WORKSPACE": str(workspace), "HOME": str(folder)}
    # FLARE's modules read the home folder as they are imported.
    from nvflare.app_common.np.recipes.fedavg import NumpyFedAvgRecipe
    from nvflare.recipe.prod_env import ProdEnv

    program, admin = Path(sys.executable).parent / "nvflare", "admin@nvidia.com"

    def run(*command: str) -> None:
        with (folder / "log").open("ab") as log:
            subprocess.run([program, "poc", *command], stdout=log, stderr=log, check=True, timeout=LONGEST_S)

    run("prepare", "-n", str(arguments.clients))
    environment = ProdEnv(startup_kit_location=str(next(workspace.rglob(admin))), login_timeout=LONGEST_S)

    def job() -> Model:
        recipe = NumpyFedAvgRecipe(
            name="text-peer",
            model=blank(classes).tolist(),
            min_clients=arguments.clients,
            num_rounds=arguments.rounds,
            train_script=str(HERE / "flare_client.py"),
            train_args=str(folder),
        )
        with redirect_stdout(sys.stderr):
            result = recipe.execute(environment).get_result()
        found: Model = np.load(next(Path(str(result)).rglob("server.npy")))
        return found

    try:
        run("start", "-ex", admin)
        yield job
    finally:
        run("stop", "-ex", admin)


SYSTEMS = {"flower": (flower, "flwr"), "flare": (flare, "nvflare")}


def listening(port: int) -> None:
    """Wait until somebody answers at a port of this machine."""
    end = time.monotonic() + LONGEST_S
    while time.monotonic() < end:
        if any(found.laddr.port == port for found in psutil.net_connections("tcp") if found.status == "LISTEN"):
            return
        time.sleep(0.1)
    sys.exit(f"nobody listens at port {port}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("system", choices=SYSTEMS)
    parser.add_argument("--data", type=Path, required=True, help="parquet: text, label, split (train, test)")
    parser.add_argument("--categories", type=int, default=8, help="the most frequent labels")
    parser.add_argument("--clients", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=3, help="how many are measured, one after another")
    arguments = parser.parse_args()
    rows: list[Row] = pq.read_table(arguments.data, columns=["text", "label", "split"]).to_pylist()
    rows = [row for row in rows if row["label"] and row["split"] in ("train", "test")]
    labels = [label for label, _ in Counter(row["label"] for row in rows).most_common(arguments.categories)]
    train, test = ([r for r in rows if r["label"] in labels and r["split"] == part] for part in ("train", "test"))
    folder = Path(tempfile.mkdtemp(prefix="peer-"))
    for number in range(arguments.clients):
        part = train[number :: arguments.clients]
        content = {"texts": [row["text"] for row in part], "labels": [labels.index(row["label"]) for row in part]}
        (folder / f"site-{number + 1}.json").write_text(json.dumps(content), encoding="utf-8")
    start, package = SYSTEMS[arguments.system]
    watch, began = Watch(folder), time.monotonic()
    watch.start()
    walls, cpus = [], []
    with start(folder, arguments, len(labels)) as job:
        started = time.monotonic() - began
        for _ in range(arguments.jobs):
            before, at = watch.seconds, time.monotonic()
            model = job()
            walls.append(time.monotonic() - at)
            cpus.append(watch.seconds - before)
    watch.stop()
    found = scores(model, [row["text"] for row in test])
    auc = [roc_auc_score([row["label"] == label for row in test], found[:, i]) for i, label in enumerate(labels)]
    value = {
        "system": arguments.system,
        "version": version(package),
        "clients": arguments.clients,
        "rounds": arguments.rounds,
        "documents": len(train),
        "wall_s": round(statistics.median(walls), 2),
        "cpu_s": round(statistics.median(cpus), 2),
        "start_s": round(started, 1),
        "peak_memory_mb": watch.peak_mb,
        "auc": round(float(np.mean(auc)), 4),
    }
    print(json.dumps(value))  # noqa: T201


if __name__ == "__main__":
    main()
