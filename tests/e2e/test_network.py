"""Communities and liveness on real processes: probes sealed from node to node, relayed by the super node."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from plants import described, specialised, wait_for

from comitia.app.cli import cli
from comitia.app.local import LocalConsortium
from comitia.app.network import find_providers, index_of, make_lookup, probe_network, read_network
from comitia.app.node.client import Client
from comitia.core.errors import InputError
from comitia.retrieval.communities import Change
from comitia.retrieval.lookup import Query

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalConsortium]:
    """A running consortium where each plant has mostly documents of another category."""
    with specialised(tmp_path_factory.mktemp("specialised"), described()) as made:
        made.start()
        yield made


@pytest.mark.parametrize("way", ["index", "hybrid", "overlay"])
def test_every_lookup_finds_the_same_over_the_transport(local: LocalConsortium, way: str) -> None:
    with Client(local.requester) as client:
        book = client.codebook()
        index = index_of(client.application)
        queries = [Query(codebook=book.digest, leaf=leaf) for leaf in range(len(book.leaves))]
        asked = client.look_up(lambda directory: [make_lookup(query, way, index, directory) for query in queries])
        assert all(lookup.complete for lookup in asked)
        assert [lookup.answer for lookup in asked] == [index.lookup(q.codebook, q.leaf, None) for q in queries]
        assert {node for lookup in asked for node in lookup.answer} == set(index.records)
    found = find_providers(local.requester, "engine", way, 1)
    leaf = next(number for number, leaf in enumerate(book.leaves) if leaf.label == "engine")
    assert (found.names, found.complete) == (("plant-2",), True)
    assert found.nodes == index.lookup(book.digest, leaf, 1)


def test_a_category_that_nobody_named(local: LocalConsortium) -> None:
    with pytest.raises(InputError) as caught:
        find_providers(local.requester, "gearbox", "overlay", None)
    assert caught.value.code == "unknown-category"
    assert "engine" in caught.value.hint


def standing(local: LocalConsortium) -> dict[str, bool | None]:
    """Who answers a probe now."""
    return {r.name: r.alive for district in probe_network(local.requester) for r in district.residents}


def test_the_network_shows_who_is_there(local: LocalConsortium, tmp_path: Path) -> None:
    everyone = {"plant-1", "plant-2", "plant-3"}
    wait_for(lambda: standing(local) == dict.fromkeys(everyone, True))
    process = local.providers[1].process
    assert process is not None
    process.kill()
    process.wait()
    wait_for(lambda: standing(local) == {"plant-1": True, "plant-2": False, "plant-3": True})
    asked = probe_network(local.requester)
    local.start_node(local.providers[1])

    read = read_network(local.requester)
    assert [district.categories for district in read] == [district.categories for district in asked]
    assert {resident.alive for district in read for resident in district.residents} == {None}
    assert {district.change for district in read} == {Change.FORMED}

    picture = tmp_path / "network.svg"
    run = CliRunner().invoke(cli, ["network", str(local.requester), "--picture", str(picture), "--format", "json"])
    assert run.exit_code == 0, run.output
    assert {r["name"] for d in json.loads(run.stdout) for r in d["residents"]} == everyone
    assert "plant-2" in picture.read_text(encoding="utf-8")
