"""A second codebook arrives while a consortium runs: every provider registers anew, and is found by it."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from plants import WORDS, texts

from comitia.app.audit import Chronicle
from comitia.app.local import LocalConsortium, await_ready
from comitia.app.network import find_providers
from comitia.privacy.book import Standing
from comitia.storage.budget import BudgetFile
from comitia.storage.folder import NodeFolder
from comitia.text.build import build_codebook
from comitia.text.categories import Category

pytestmark = pytest.mark.e2e

PATIENCE_S = 30


def test_providers_move_to_a_new_codebook_by_themselves(own: LocalConsortium, tmp_path: Path) -> None:
    before = find_providers(own.requester, "engine", "index", None)
    pool = [text for label in WORDS for text in texts(label, 60, 98)]
    names = {label: f"{label} {words[0]}" for label, words in WORDS.items()} | {"cab": "door window"}
    newer = tmp_path / "v2.comitia"
    newer.write_bytes(
        build_codebook(pool, [Category(label=label, name=name) for label, name in names.items()]).to_bytes()
    )

    node = own.super_node
    assert node is not None
    assert node.process is not None
    node.process.terminate()
    node.process.wait(timeout=10)
    node.arguments[node.arguments.index("--codebook") + 1] = str(newer)
    own.start_node(node)
    await_ready(node)

    end = time.monotonic() + PATIENCE_S
    registered: list[int] = []
    while registered != [0, len(own.providers)] and time.monotonic() < end:
        time.sleep(0.3)
        registered = [len(version["providers"]) for version in Chronicle(own.consortium.path).codebooks()]
    assert registered == [0, len(own.providers)]

    for way in ("index", "hybrid", "overlay"):
        after = find_providers(own.requester, "engine", way, None)
        assert (set(after.nodes), after.complete) == (set(before.nodes), True)
    for provider in own.providers:
        entries = BudgetFile.read(NodeFolder(provider.folder).budget).entries.values()
        assert [entry.standing for entry in entries] == [Standing.SPENT] * 2
