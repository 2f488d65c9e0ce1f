"""A second codebook arrives while a consortium runs: every provider registers anew, and is found by it."""

from __future__ import annotations

from pathlib import Path

import pytest
from plants import PATIENCE_S, described, specialised, wait_for

from comitia.app.audit import Chronicle
from comitia.app.local import await_ready
from comitia.app.network import find_providers
from comitia.privacy.book import Standing
from comitia.storage.budget import BudgetFile
from comitia.storage.folder import NodeFolder
from comitia.text.categories import Category

pytestmark = pytest.mark.e2e


def test_providers_move_to_a_new_codebook_by_themselves(tmp_path: Path) -> None:
    with specialised(tmp_path, described()) as local:
        local.start()
        before = find_providers(local.requester, "engine", "index", None)
        newer = tmp_path / "v2.comitia"
        newer.write_bytes(described(98, [Category(label="cab", name="door window")]).to_bytes())

        node = local.super_node
        assert node is not None
        assert node.process is not None
        node.process.terminate()
        node.process.wait(timeout=PATIENCE_S)
        node.arguments[node.arguments.index("--codebook") + 1] = str(newer)
        local.start_node(node)
        await_ready(node)

        def registered() -> list[int]:
            return [len(version["providers"]) for version in Chronicle(local.consortium.path).codebooks()]

        wait_for(lambda: registered() == [0, len(local.providers)])
        found = [find_providers(local.requester, "engine", way, None) for way in ("index", "hybrid", "overlay")]
    assert {after.names[0] for after in (before, *found)} == {"plant-2"}
    assert all(after.complete for after in found)
    assert {after.nodes for after in found} == {found[0].nodes}
    for provider in local.providers:
        entries = BudgetFile.read(NodeFolder(provider.folder).budget).entries.values()
        assert [entry.standing for entry in entries] == [Standing.SPENT] * 2
