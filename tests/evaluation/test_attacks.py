from __future__ import annotations

import numpy as np
import pytest

from comitia.core.errors import InputError
from comitia.evaluation.attacks import ATTACKS, Battle, run_attacks
from comitia.evaluation.datasets import Corpus
from comitia.evaluation.learning import Prepared
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


def battle(attack: str, kept_back: int = 0) -> Battle:
    return Battle(attack=attack, partition="iid", epsilon="4", references=5, kept_back=kept_back, seeds=(0, 1))


@pytest.mark.parametrize("attack", ["label-flip", "sign-flipped", "free-rider-zeros", "free-rider-noise"])
def test_plain_attacks_are_found_and_no_honest_provider_is_blamed(prepared: Prepared, attack: str) -> None:
    outcome = run_attacks(prepared, battle(attack), noise=SeededNoise(b"a"))
    assert outcome.bad_accepted == 0
    assert outcome.honest_rejected == 0


def test_who_makes_sums_up_is_found_by_documents_kept_back_alone(prepared: Prepared) -> None:
    openly = run_attacks(prepared, battle("free-rider-synthesised"), noise=SeededNoise(b"a"))
    kept_back = run_attacks(prepared, battle("free-rider-synthesised", 5), noise=SeededNoise(b"a"))
    assert openly.bad_found == 0
    assert kept_back.bad_found == 1
    assert kept_back.honest_rejected == 0


def test_an_attack_that_is_not_there_is_refused(prepared: Prepared) -> None:
    with pytest.raises(InputError, match="nothing"):
        run_attacks(prepared, battle("nothing"), noise=SeededNoise(b"a"))
    with pytest.raises(InputError) as caught:
        run_attacks(prepared, Battle(attack=next(iter(ATTACKS)), malicious=9), noise=SeededNoise(b"a"))
    assert caught.value.code == "bad-battle"
