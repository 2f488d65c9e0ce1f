from __future__ import annotations

import numpy as np
import pytest

from comitia.core.errors import InputError
from comitia.evaluation.attacks import ATTACKS, Battle, Outcome, fight
from comitia.evaluation.datasets import Corpus
from comitia.evaluation.prepared import Prepared
from comitia.privacy.noise import SeededNoise
from comitia.text.build import BuildSettings
from comitia.text.categories import Category
from comitia.text.documents import Document

WORDS = {
    "engine": ["engine", "motor", "starter", "coolant", "piston", "fuel", "injector", "turbo"],
    "hydraulics": ["pump", "hose", "valve", "cylinder", "pressure", "leak", "oil", "seal"],
    "electrics": ["battery", "lamp", "fuse", "cable", "sensor", "alternator", "wiring", "switch"],
}
FEW = BuildSettings(lsa_rank=16, tf_rank=16)


@pytest.fixture(scope="module")
def prepared() -> Prepared:
    generator = np.random.Generator(np.random.PCG64(3))

    def write(label: str) -> str:
        return " ".join(generator.choice(WORDS[label], 4))

    documents = [Document(text=write(label), label=label) for label in WORDS for _ in range(900)]
    corpus = Corpus(
        name="made up",
        categories=tuple(Category(label=label, name=label) for label in WORDS),
        pool=tuple(write(label) for label in WORDS for _ in range(80)),
        private=tuple(documents),
        evaluated=(),
    )
    return Prepared.of(corpus, FEW)


def outcomes(prepared: Prepared, battle: Battle) -> dict[str, Outcome]:
    noise = SeededNoise(b"a")
    rows = [fight(prepared, battle, tuple(ATTACKS), seed=seed, noise=noise) for seed in (0, 1)]
    return {attack: Outcome.of([row[attack] for row in rows]) for attack in ATTACKS}


@pytest.fixture(scope="module", params=["iid", "sorted"])
def openly(request: pytest.FixtureRequest, prepared: Prepared) -> dict[str, Outcome]:
    return outcomes(prepared, Battle(partition=request.param, epsilon="4", references=5))


def test_no_honest_provider_is_blamed(openly: dict[str, Outcome]) -> None:
    assert {attack: outcome.honest_rejected for attack, outcome in openly.items()} == dict.fromkeys(ATTACKS, 0)


@pytest.mark.parametrize("attack", ["label-flip", "sign-flipped", "scaled", "free-rider-zeros", "free-rider-noise"])
def test_plain_attacks_are_found(openly: dict[str, Outcome], attack: str) -> None:
    assert openly[attack].bad_found == 1
    assert openly[attack].auc_drop == 0


def test_who_makes_sums_up_is_found_by_documents_kept_back_alone(
    prepared: Prepared, openly: dict[str, Outcome]
) -> None:
    kept_back = outcomes(prepared, Battle(partition="iid", epsilon="4", names=False, references=2, kept_back=5))
    assert openly["free-rider-synthesised"].bad_found == 0
    assert kept_back["free-rider-synthesised"].bad_found == 1
    assert kept_back["free-rider-synthesised"].honest_rejected == 0


def test_several_keepers_find_together(prepared: Prepared) -> None:
    battle = Battle(partition="iid", epsilon="4", names=False, references=2, kept_back=5, keepers=3)
    row = fight(prepared, battle, ("free-rider-synthesised",), seed=0, noise=SeededNoise(b"b"))
    assert set(row["free-rider-synthesised"].bad) == {"reject"}


def test_attacks_and_battles_that_cannot_be_are_refused(prepared: Prepared) -> None:
    with pytest.raises(InputError, match="nothing"):
        fight(prepared, Battle(), ("nothing",), seed=0, noise=SeededNoise(b"a"))
    with pytest.raises(InputError) as caught:
        Battle(malicious=9)
    assert caught.value.code == "bad-battle"
    with pytest.raises(InputError) as caught:
        fight(prepared, Battle(references=900), tuple(ATTACKS), seed=0, noise=SeededNoise(b"a"))
    assert caught.value.code == "too-few-documents"
