"""Seeded worlds: no promise is broken, every fault and liar has its turn, and a seed is a seed on any machine."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from comitia.app.cli import main
from comitia.simulator.adversaries import STRATEGIES
from comitia.simulator.campaign import Tally, run
from comitia.simulator.crash_points import Kill
from comitia.simulator.faults import ALL, Fault
from comitia.simulator.surroundings import Setting
from comitia.simulator.world import SETTLING_MS, World

SEEDS = 200


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, logger="comitia")


def test_no_promise_is_broken_in_two_hundred_worlds() -> None:
    setting = Setting(providers=4, requests=2, faults=ALL, adversaries=tuple(STRATEGIES))
    tally = Tally.empty()
    for outcome in run(range(SEEDS), setting, sizes=(4, 4, 5)):
        tally.add(outcome)
    assert not tally.violations
    assert not tally.never_fired(setting)
    assert tally.sealed > SEEDS // 2


def test_a_world_goes_on_while_the_super_node_lies_dead_over_a_block_that_nobody_has_seen() -> None:
    """Power fails when the block that opens the only session is on the disk; who asked for it has forgotten it."""
    world = World(3, Setting(providers=3, requests=1))
    world._plan()
    world._look()
    while not world.asked:
        world.step()
    orderer, asked = world.machines[0], next(iter(world.asked.values()))
    orderer.plans.append(Kill("block:after", 1, Fault.CRASH))
    while orderer.node is not None:
        world.step()
    asked.machine.lose_power()
    orderer.dead = True

    def come_back() -> None:
        orderer.dead = False
        orderer.boot()

    world.at(5 * SETTLING_MS, come_back)
    while not world._over:
        world.step()
    world._check_end()
    outcome = world._outcome()
    assert outcome.sessions == 1
    assert outcome.sealed + outcome.aborted == 1
    assert not outcome.violations


def test_in_a_world_without_faults_every_session_is_sealed_or_lacks_consent() -> None:
    for outcome in run(range(10), Setting(providers=4)):
        assert not outcome.violations
        assert outcome.sealed and outcome.sealed + outcome.aborted == outcome.sessions


def test_one_world_with_signed_and_sealed_packets_goes_the_same_way() -> None:
    world = World(49, Setting(providers=4))
    assert world.sealed_wire
    outcome = world.run()
    assert outcome.sealed and not outcome.violations


def test_the_same_seed_is_the_same_run_whatever_the_order_of_hashes() -> None:
    script = (
        "from comitia.simulator.faults import ALL\n"
        "from comitia.simulator.surroundings import Setting\n"
        "from comitia.simulator.world import World\n"
        "print(World(7, Setting(providers=4, faults=ALL, adversaries=('replay',))).run().trace_hash)"
    )
    hashes = set()
    for order in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": order}
        done = subprocess.run(
            [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
        )
        hashes.add(done.stdout)
    assert len(hashes) == 1


def test_a_replay_tells_the_story(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["simulate", "--replay", "3", "--providers", "3", "--faults", "none"]
    assert main(arguments) == 0
    told = capsys.readouterr().out
    assert "provider-1 -> super-1: submit" in told
    assert "is in sealed" in told


def test_the_command_prints_figures(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["simulate", "--seeds", "0:3", "--providers", "3", "--faults", "none", "--format", "json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["runs"] == 3
    assert figures["sealed"] + figures["aborted"] == figures["sessions"]
    assert len(figures["trace_hash"]) == 64


def test_a_run_in_two_processes_that_was_interrupted_comes_to_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    halfway = str(tmp_path / "halfway")
    command = ["simulate", "--seeds", "0:5", "--providers", "3", "--requests", "1", "--faults", "none"]
    assert main([*command, "--format", "json"]) == 0
    whole = json.loads(capsys.readouterr().out)
    assert main([*command, "--workers", "2", "--resume", halfway, "--seconds", "0"]) == 0
    assert main([*command, "--resume", halfway, "--format", "json"]) == 0
    resumed = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (resumed["runs"], resumed["trace_hash"]) == (5, whole["trace_hash"])
    assert main([*command, "--requests", "2", "--resume", halfway]) == 3
    assert "other options" in capsys.readouterr().err


def test_a_fault_that_never_happened_fails_the_run(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["simulate", "--seeds", "0:1", "--providers", "3", "--faults", "all"]) == 1
    assert "never happened" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("option", "code"),
    [
        (["--seeds", "5:5"], 3),
        (["--seeds", "x"], 3),
        (["--faults", "flood"], 3),
        (["--adversary", "nobody"], 3),
        (["--providers", "51"], 3),
        (["--super-nodes", "0"], 2),
    ],
)
def test_bad_options_meet_a_clear_error(option: list[str], code: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["simulate", *option]) == code
    assert ("hint" if code == 3 else "0 is not in the range") in capsys.readouterr().err
