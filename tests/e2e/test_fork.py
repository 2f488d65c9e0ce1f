"""A super node's folder is copied and both go on: members of the two histories meet, and everyone stands still."""

from __future__ import annotations

import json
import shutil
import threading
from pathlib import Path
from typing import Any

import pytest
from plants import consortium, wait_for

from comitia.app.cli import main
from comitia.app.forks import kept_fork
from comitia.app.local import GENEROUS, LocalConsortium, LocalNode, free_port
from comitia.app.node.client import Client
from comitia.app.owner_settings import write_settings
from comitia.engines.block_store import kept_height
from comitia.storage.folder import NodeFolder, node_folder
from comitia.text.codebook import Codebook

pytestmark = pytest.mark.e2e


def dial(folder: Path, port: int) -> None:
    """Have a node reach its super node, or a super node be reached, at another port."""
    settings = node_folder(folder).settings_file
    lines = settings.read_text(encoding="utf-8").splitlines()
    changed = [f'connect = "tls/127.0.0.1:{port}"' if line.startswith("connect") else line for line in lines]
    assert changed != lines
    settings.write_text("\n".join(changed) + "\n", encoding="utf-8")


def split_off(local: LocalConsortium, directory: Path) -> LocalConsortium:
    """A second super node from a copy of the first one's folder, with the last of its providers. Neither runs."""
    shutil.copytree(local.consortium.path, directory / "consortium")
    other = LocalConsortium(directory)
    folder = other.consortium
    arguments = ["super-node", str(folder.path), "--format", "json"]
    other.super_node = LocalNode(name="copy", folder=folder.super_node.path, arguments=arguments)
    other.providers = [local.providers.pop()]
    port = free_port()
    for node in other.nodes:
        dial(node.folder, port)
    return other


def height(node: LocalNode) -> int:
    return kept_height(NodeFolder(node.folder).ledger)


def go_on(local: LocalConsortium) -> None:
    """Put something more on the ledger: a provider's policy."""
    before = height(local.providers[0])
    write_settings(NodeFolder(local.providers[0].folder), policy=GENEROUS, total_epsilon="50")
    wait_for(lambda: height(local.providers[0]) > before)


def tell(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, Any]:
    capsys.readouterr()
    status = main([*map(str, words), "--format", "json"])
    told = capsys.readouterr()
    return status, json.loads((told.out or told.err).splitlines()[-1])


def test_members_of_two_histories_meet_and_everyone_stands_still(
    tmp_path: Path, codebook: Codebook, capsys: pytest.CaptureFixture[str]
) -> None:
    with consortium(tmp_path / "a", codebook, providers=2) as local:
        local.start()
        with Client(local.requester):
            pass  # it joins; who is no member is told nothing
        local.stop()
        common = height(local.providers[0])
        genesis = local.consortium.genesis
        with split_off(local, tmp_path / "b") as other:
            for side in (local, other):
                side.start()
                go_on(side)
                assert kept_fork(NodeFolder(side.providers[0].folder)) is None
            other.stop()

            (stray,) = other.providers
            endpoint = local.consortium.load_genesis().genesis.super_nodes[0].endpoint
            dial(stray.folder, int(endpoint.rsplit(":", 1)[1]))
            other.start_node(stray)
            met = [*local.nodes, stray]
            wait_for(lambda: all(kept_fork(NodeFolder(node.folder)) for node in met))

            told = []
            for node in met:
                proof = tmp_path / f"{node.name}.proof"
                status, fork = tell(capsys, "ledger", "fork", node.folder, "-o", proof)
                assert (status, fork["forked"], fork["height"]) == (0, True, common + 1)
                assert fork["signers"] == [local.consortium.super_node.load_keys().node]
                assert tell(capsys, "ledger", "verify-fork", proof, "--genesis", genesis) == (0, fork)
                told.append(fork)
            assert told == [told[0]] * len(met)

            stood = [height(node) for node in met]
            status, error = tell(capsys, "request", local.requester, "--epsilon", "2", "-o", tmp_path / "no.comitia")
            assert (status, error["error"]) == (10, "ledger-forked")
            assert "comitia-node" not in [thread.name for thread in threading.enumerate()]
            assert [height(node) for node in met] == stood
            assert [node.process.poll() for node in met if node.process is not None] == [None] * len(met)
            status, states = tell(capsys, "status", local.directory)
            assert all("the ledger is forked" in state["fork"] for state in states if state["node"] != "plant-2")

            # Whom nobody met is told by another node's export, and its super node makes no more blocks either.
            copy, export = other.super_node, tmp_path / "a.export"
            assert copy is not None
            assert kept_fork(NodeFolder(copy.folder)) is None
            assert main(["ledger", "export", str(local.consortium.path), "-o", str(export)]) == 0
            status, error = tell(capsys, "ledger", "compare", export, other.consortium.path)
            assert (status, error["error"], error["values"]["height"]) == (10, "ledger-forked", common + 1)
            stood_still = height(copy)
            other.start_node(copy)
            wait_for(lambda: "takes part in nothing" in (copy.folder / "node.log").read_text(encoding="utf-8"))
            assert height(copy) == stood_still
