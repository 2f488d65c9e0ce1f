"""Measuring retrieval: profiles by array agree with records, worlds with lookups, figures with what they say."""

from __future__ import annotations

import json
from math import isnan
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from overlay_world import buckets

from comitia.app.cli import cli, main
from comitia.core.errors import InputError
from comitia.core.ids import NodeId
from comitia.evaluation.datasets import Corpus
from comitia.evaluation.retrieval.churn import churned
from comitia.evaluation.retrieval.documents import collect, deal
from comitia.evaluation.retrieval.lookups import Setting, Way, _mean, _quality, index_of, measure
from comitia.evaluation.retrieval.published import publish
from comitia.evaluation.retrieval.synthetic import synthetic
from comitia.evaluation.retrieval.world import CODEBOOK, World, draw_fates
from comitia.retrieval.profile import RetrievalRecord
from comitia.retrieval.trie import unpack
from comitia.text.categories import Category
from comitia.text.documents import Document


@pytest.mark.parametrize("epsilon_micro", [100_000, 1_000_000, 8_000_000])
def test_profiles_by_array_are_the_records(epsilon_micro: int) -> None:
    generator = np.random.default_rng(epsilon_micro)
    histograms = generator.integers(-30, 60, (300, 12)) * (generator.random((300, 12)) < 0.5)
    owner, leaf, band, share = publish(histograms, epsilon_micro)
    for row, histogram in enumerate(histograms):
        record = RetrievalRecord(
            provider=NodeId("a" * 32),
            codebook=bytes(32),
            epsilon_micro=epsilon_micro,
            histogram=tuple(int(count) for count in histogram),
        )
        here = owner == row
        assert tuple(leaf[here]) == record.published
        assert [int(b) for b in band[here]] == [record.band(int(one)) for one in leaf[here]]
        assert [int(s) for s in share[here]] == [record.share_ppm(int(one)) for one in leaf[here]]


def test_a_lookup_that_finds_nobody_is_not_called_precise() -> None:
    """Nor does one for which there is nobody count as complete."""
    nobody, some = np.zeros(0, np.int64), np.array([1, 2, 4])
    related, recall, precision, *_ = _quality(nobody, some, nobody)
    assert (related, recall) == (3, 0)
    assert isnan(precision)
    assert isnan(_quality(some, nobody, nobody)[1])
    assert _mean([precision, 0.5, 1.0]) == 0.75
    assert isnan(_mean([precision]))


@pytest.mark.parametrize("options", [("--dead", "1"), ("--dead", ".7", "--malicious", ".4")])
def test_somebody_has_to_be_left_to_ask(options: tuple[str, ...]) -> None:
    result = CliRunner().invoke(cli, ["bench", "retrieval", "--participants", "20", *options])
    assert isinstance(result.exception, InputError)
    assert result.exception.code == "bad-option"


def test_index_and_directory_of_a_world_have_the_same_members() -> None:
    generator = np.random.default_rng(0)
    population = synthetic(400, 12, 10**6, generator)
    index = index_of(population.profiles)
    world = World(population.profiles, population.codes, draw_fates(400, 0, 0, generator), generator)
    for leaf, code in enumerate(population.codes):
        under = [
            member.node
            for branch in buckets(world.trie.root)
            for member in unpack(world.trie.packed(branch.start, branch.end))
            if member.path.startswith(code)
        ]
        assert sorted(under) == sorted(index.lookup(CODEBOOK, leaf, None))


@pytest.mark.parametrize("way", list(Way))
def test_every_way_is_measured(way: Way) -> None:
    generator = np.random.default_rng(1)
    population = synthetic(600, 16, 10**6, generator)
    figures = measure(population, Setting(way=way, lookups=20), generator)
    if way is Way.LITERAL:
        assert figures.completeness < 0.9
    else:
        assert figures.completeness == 1.0
        assert figures.recall > 0.95
        assert figures.precision > 0.8
    assert (figures.messages == 0) == (way is Way.INDEX)


def test_the_dead_and_the_malicious_cost_messages_but_hide_nobody() -> None:
    def cost(dead: float, malicious: float) -> tuple[float, float, float]:
        generator = np.random.default_rng(2)
        population = synthetic(2000, 16, 10**6, generator)
        figures = measure(population, Setting(dead=dead, malicious=malicious, lookups=20), generator)
        return figures.completeness, figures.messages, figures.forged

    well, dead, worse = cost(0, 0), cost(0.3, 0), cost(0.3, 0.2)
    assert min(well[0], dead[0]) == 1.0
    assert worse[0] > 0.98
    assert worse[1] > max(well[1], dead[1])
    assert worse[2] > 0


def test_churn_keeps_the_directory_at_its_size_and_the_answers_whole() -> None:
    generator = np.random.default_rng(3)
    population = synthetic(1500, 16, 10**6, generator)
    sizes = [p.profiles.participants for p, _ in churned(population, 0.1, 5, 0, np.random.default_rng(3))]
    assert sizes == [1000, 1050, 1100, 1150, 1200]
    living = [int(f.alive.sum()) for _, f in churned(population, 0.1, 5, 0, np.random.default_rng(3))]
    assert living == [950] * 5
    figures = measure(population, Setting(churn=0.1, epochs=5, lookups=10), generator)
    assert figures.completeness >= 0.99


def labelled(documents: list[Document], labels: list[str]) -> Corpus:
    return Corpus(
        name="made up",
        categories=tuple(Category(label=label, name=label) for label in labels),
        pool=tuple(document.text for document in documents[::5]),
        private=tuple(documents),
        evaluated=(),
    )


def test_participants_cut_from_documents_are_found() -> None:
    draw_words = np.random.default_rng(0)
    labels = [f"kind{number}" for number in range(5)]
    documents = [
        Document(text=" ".join(f"{label}w{draw_words.integers(30)}" for _ in range(12)), label=label)
        for label in labels
        for _ in range(60)
    ]
    generator = np.random.default_rng(1)
    collection = collect(labelled(documents, labels), generator)
    figures = measure(deal(collection, 100, "1", generator), Setting(lookups=20), generator)
    assert figures.recall > 0.9
    assert figures.precision > 0.8


def test_too_few_documents_of_a_category_are_refused() -> None:
    documents = [Document(text=f"word{number} other", label="a" if number else "b") for number in range(40)]
    with pytest.raises(InputError) as caught:
        collect(labelled(documents, ["a", "b"]), np.random.default_rng(0))
    assert caught.value.code == "too-few-documents"


def test_the_command_prints_one_line_a_measurement_and_draws_them(tmp_path: Path) -> None:
    options = ["--participants", "100,200", "--lookups", "5", "--seeds", "2", "--plot", str(tmp_path / "costs.svg")]
    run = CliRunner().invoke(cli, ["bench", "retrieval", *options, "--format", "json"])
    assert "messages a lookup" in (tmp_path / "costs.svg").read_text(encoding="utf-8")
    lines = [json.loads(line) for line in run.stdout.splitlines() if line.startswith("{")]
    assert [(line["participants"], line["seed"]) for line in lines] == [(100, 0), (200, 0), (100, 1), (200, 1)]
    wanted = "participants related recall precision completeness messages rounds bytes table_entries_mean"
    assert set(f"{wanted} table_entries_max join_messages spearman load_max_over_mean seconds".split()) <= set(lines[0])


@pytest.mark.parametrize(
    ("options", "status"),
    [
        (["--participants", "many"], 3),
        (["--participants", "3"], 3),
        (["--leaves", "1"], 2),
        (["--epsilon", "-1"], 3),
        (["--plot", "costs.pdf"], 3),
    ],
)
def test_options_that_cannot_be(options: list[str], status: int) -> None:
    assert main(["bench", "retrieval", *options]) == status
