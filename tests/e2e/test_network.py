"""Communities and liveness on real processes: probes sealed from node to node, relayed by the super node."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from comitia.app.cli import cli
from comitia.app.local import LocalConsortium
from comitia.app.network import probe_network, read_network
from comitia.app.node.client import Client
from comitia.retrieval.index import Index
from comitia.retrieval.lookup import HybridLookup, Query

pytestmark = pytest.mark.e2e


def test_the_network_shows_who_is_there(own: LocalConsortium, tmp_path: Path) -> None:
    everyone = {"plant-1", "plant-2", "plant-3"}
    asked = probe_network(own.requester)
    assert {r.name for district in asked for r in district.residents} == everyone
    assert all(resident.alive for district in asked for resident in district.residents)
    process = own.providers[1].process
    assert process is not None
    process.kill()
    process.wait()
    asked = probe_network(own.requester)
    standing = {r.name: r.alive for district in asked for r in district.residents}
    assert standing == {"plant-1": True, "plant-2": False, "plant-3": True}

    read = read_network(own.requester)
    assert [district.categories for district in read] == [district.categories for district in asked]
    assert {resident.alive for district in read for resident in district.residents} == {None}

    picture = tmp_path / "network.svg"
    run = CliRunner().invoke(cli, ["network", str(own.requester), "--picture", str(picture), "--format", "json"])
    assert run.exit_code == 0, run.output
    assert {r["name"] for d in json.loads(run.stdout) for r in d["residents"]} == everyone
    assert "plant-2" in picture.read_text(encoding="utf-8")


def test_the_index_finds_and_the_overlay_confirms(local: LocalConsortium) -> None:
    with Client(local.requester) as client:
        index = Index()
        for record in client.application.profiles():
            index.add(record)
        book = client.codebook().digest
        leaf = client.application.profiles()[0].published[0]
        (lookup,) = client.look_up([HybridLookup(Query(codebook=book, leaf=leaf), index, lambda: b"0" * 16)])
        assert lookup.answer == index.lookup(book, leaf, None)
        assert lookup.complete
