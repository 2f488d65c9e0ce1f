from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from comitia.core.errors import InputError
from comitia.evaluation.datasets import DEFAULT_FOLDER, FOLDER_VARIABLE, reuters, work_orders
from comitia.evaluation.learning import Setting, run_learning, summarise
from comitia.evaluation.prepared import Prepared
from comitia.learning.registry import learner
from comitia.privacy.noise import SeededNoise
from comitia.text.build import BuildSettings
from comitia.text.documents import Document

SETTING = Setting(partition="provider", epsilons=("4",), new=1, references=2, seeds=(0, 1))
SMALL = BuildSettings(lsa_rank=16, tf_rank=30)


@pytest.fixture(scope="module")
def prepared() -> Prepared:
    generator = np.random.Generator(np.random.PCG64(1))
    words = {"pump": "pump hose valve oil", "lamp": "lamp fuse cable switch", "gear": "gear shaft bearing tooth"}
    listed = [
        Document(
            text=" ".join(generator.choice([*own.split(), "left", "right", "check"], 5)),
            label=label,
            provider=f"p{row % 3}",
        )
        for row in range(120)
        for label, own in words.items()
    ]
    unlabelled = [Document(text=document.text, label="NA", provider="p0") for document in listed[:150]]
    return Prepared.of(work_orders(unlabelled + listed[150:], categories=3), SMALL)


def test_the_new_code_is_learnt(prepared: Prepared) -> None:
    public_only, shared = summarise(
        run_learning(prepared, SETTING, learner=learner("prototype"), noise=SeededNoise(b"1"))
    )
    assert (public_only.label, shared.label) == ("public only", "4")
    assert shared.mean.overall > 0.9
    assert shared.mean.new > 0.9


def test_references_are_taken_out_before_training_and_evaluation(prepared: Prepared) -> None:
    """With as many references as documents nothing would be left to train on."""
    with pytest.raises(InputError) as caught:
        run_learning(
            prepared,
            replace(SETTING, references=10_000),
            learner=learner("prototype"),
            noise=SeededNoise(b""),
        )
    assert caught.value.code == "too-few-documents"


def test_more_new_categories_than_there_are_is_refused(prepared: Prepared) -> None:
    with pytest.raises(InputError) as caught:
        run_learning(prepared, replace(SETTING, new=4), learner=learner("prototype"), noise=SeededNoise(b""))
    assert caught.value.code == "bad-new"


def test_reuters_reaches_its_goal_at_epsilon_1() -> None:
    folder = Path(os.environ.get(FOLDER_VARIABLE) or DEFAULT_FOLDER)
    if not (folder / "reuters.parquet").exists():
        pytest.skip(f"no reuters.parquet in {folder}; set {FOLDER_VARIABLE}")
    setting = Setting(partition="sorted", providers=9, epsilons=("1",), seeds=(0,))
    public_only, shared = summarise(
        run_learning(Prepared.of(reuters(folder)), setting, learner=learner("prototype"), noise=SeededNoise(b"r"))
    )
    assert shared.mean.overall > 0.983 > public_only.mean.overall > 0.97


def test_without_noise_everything_is_public_and_nothing_is_released(prepared: Prepared) -> None:
    setting = replace(SETTING, epsilons=("1", "inf"), seeds=(0,))
    public_only, private, open_ = summarise(
        run_learning(prepared, setting, learner=learner("prototype"), noise=SeededNoise(b"1"))
    )
    assert open_.label == "inf"
    assert open_.mean.release_bytes == 0 < private.mean.release_bytes
    assert public_only.mean.new < private.mean.new <= open_.mean.new
    assert min(private.mean.accuracy, open_.mean.accuracy) > 0.9
