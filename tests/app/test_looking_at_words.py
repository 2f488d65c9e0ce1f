"""`codebook inspect`, `codebook compare`, `explore`: what they say of public and of own text, and what they refuse."""

from __future__ import annotations

import csv
import json
import random
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from comitia.app.cli import cli
from comitia.core.errors import InputError

WORDS = {
    "hydraulics": ["hose", "leak", "swivel", "cylinder", "pump", "pressure", "oil", "seal"],
    "engine": ["starter", "turbo", "smoke", "coolant", "injector", "belt", "radiator", "idle"],
    "bucket": ["tooth", "lip", "weld", "crack", "adapter", "wear", "plate", "corner"],
}


def write_orders(path: Path, seed: int) -> Path:
    draw = random.Random(seed)
    with path.open("w", encoding="utf-8", newline="") as stream:
        rows = csv.writer(stream)
        rows.writerow(("text", "label"))
        for label, words in WORDS.items():
            rows.writerows((" ".join(draw.sample(words, 5)), label) for _ in range(40))
    return path


def run(*words: str | Path) -> Result:
    return CliRunner().invoke(cli, [*map(str, words)])


def told(*words: str | Path) -> Any:
    done = run(*words, "--format", "json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Work orders, two categories files, and a codebook by each."""
    made = tmp_path_factory.mktemp("words")
    write_orders(made / "pool.csv", 1)
    write_orders(made / "own.csv", 2)
    for version, labels in ((1, ("hydraulics", "engine")), (2, ("hydraulics", "bucket"))):
        names = made / f"v{version}.toml"
        blocks = [f'[[category]]\nid = "{label}"\nname = "{" ".join(WORDS[label][:3])}"\n' for label in labels]
        names.write_text("\n".join(blocks), encoding="utf-8")
        told("codebook", "build", made / "pool.csv", "--categories", names, "-o", made / f"v{version}.codebook")
    return made


def test_inspect_tells_what_leaves_mean_and_how_well_they_fit(folder: Path, tmp_path: Path) -> None:
    picture = tmp_path / "leaves.svg"
    value = told("codebook", "inspect", folder / "v1.codebook", "--data", folder / "own.csv", "--picture", picture)
    assert [category["label"] for category in value["categories"]] == ["hydraulics", "engine"]
    assert set(value["leaves"][0]["terms"]) <= set(WORDS["hydraulics"])
    assert value["quality"]["documents"] == 120
    assert value["quality"]["purity"] > 0.9
    assert "engine" in picture.read_text(encoding="utf-8")
    shown = run("codebook", "inspect", folder / "v1.codebook").output
    assert "hydraulics" in shown
    assert "from 120 public documents" in shown


def test_a_category_with_a_description_alone_is_not_called_opaque(folder: Path, tmp_path: Path) -> None:
    names = tmp_path / "names.toml"
    described = '[[category]]\nid = "H1"\ndescription = "hose pump"\n'
    names.write_text(described + '[[category]]\nid = "X9"\n', encoding="utf-8")
    command = ("codebook", "build", folder / "pool.csv", "--categories", names, "-o", tmp_path / "c")
    shown = run(*command).output
    assert "hose pump" in shown
    assert shown.count("(opaque)") == 1
    assert [category["description"] for category in told(*command)["categories"]] == ["hose pump", ""]


def test_inspect_draws_one_leaf_and_refuses_one_that_is_not_there(folder: Path, tmp_path: Path) -> None:
    one = tmp_path / "one.svg"
    told("codebook", "inspect", folder / "v1.codebook", "--leaf", "engine", "--picture", one)
    drawn = one.read_text(encoding="utf-8")
    assert "engine" in drawn
    assert "hydraulics" not in drawn
    refused = run("codebook", "inspect", folder / "v1.codebook", "--leaf", "gearbox", "--picture", one)
    assert isinstance(refused.exception, InputError)
    assert "gearbox" in refused.exception.message


def test_compare_names_what_changed(folder: Path) -> None:
    value = told("codebook", "compare", folder / "v1.codebook", folder / "v2.codebook")
    assert (value["added"], value["removed"]) == (["bucket"], ["engine"])
    assert "removed:  engine" in run("codebook", "compare", folder / "v1.codebook", folder / "v2.codebook").output
    same = run("codebook", "compare", folder / "v1.codebook", folder / "v1.codebook")
    assert same.output == "The two are the same codebook.\n"


def test_explore_proposes_groups_and_writes_labels_and_a_picture(folder: Path, tmp_path: Path) -> None:
    labels, picture = tmp_path / "labels.csv", tmp_path / "groups.svg"
    value = told("explore", folder / "own.csv", "--groups", "3", "--labels-to", labels, "--picture", picture)
    assert value["documents"] == 120
    assert value["without_group"] + sum(group["documents"] for group in value["groups"]) == 120
    topics = [{word for word in WORDS[label]} for label in WORDS]
    assert all(any(set(group["terms"][:3]) <= topic for topic in topics) for group in value["groups"])
    with labels.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 120
    assert {row["label"] for row in rows} - {""} == {group["label"] for group in value["groups"]}
    assert picture.read_text(encoding="utf-8").startswith("<svg")
    assert "Nothing was sent" in run("explore", folder / "own.csv", "--groups", "3").output


def test_explore_refuses_what_it_cannot_read(folder: Path) -> None:
    refused = run("explore", folder / "own.csv", "--text-column", "body")
    assert isinstance(refused.exception, InputError)
    assert refused.exception.code == "unknown-column"
