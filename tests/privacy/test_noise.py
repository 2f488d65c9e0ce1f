"""Where the noise comes from."""

from __future__ import annotations

import numpy as np

from comitia.privacy.noise import Noise, SeededNoise, SystemNoise


def test_seeded_noise_is_the_same_everywhere() -> None:
    noise = SeededNoise(b"pinned")
    assert noise.discrete_gaussian(sigma_squared=1_000_000, size=8).tolist() == GAUSSIAN
    assert noise.discrete_laplace(scale_numerator=20, scale_denominator=3, size=8).tolist() == LAPLACE


def test_one_seeded_object_does_not_repeat_itself() -> None:
    noise = SeededNoise(b"seed")
    first = noise.discrete_gaussian(sigma_squared=10**6, size=100)
    second = noise.discrete_gaussian(sigma_squared=10**6, size=100)
    assert (first != second).any()


def test_other_seeds_give_other_noise() -> None:
    one, other = (SeededNoise(seed).discrete_gaussian(sigma_squared=10**6, size=100) for seed in (b"1", b"2"))
    assert (one != other).any()


def test_system_noise_does_not_repeat_itself() -> None:
    draws = {tuple(SystemNoise().discrete_gaussian(sigma_squared=10**8, size=8).tolist()) for _ in range(20)}
    assert len(draws) == 20


def test_only_the_systems_noise_is_trusted() -> None:
    system: Noise = SystemNoise()
    seeded: Noise = SeededNoise(b"")
    assert system.trusted
    assert not seeded.trusted


def test_system_noise_does_not_touch_numpys_generator() -> None:
    np.random.seed(1)
    before = np.random.get_state()[1].copy()  # type: ignore[index]
    SystemNoise().discrete_laplace(scale_numerator=2, scale_denominator=1, size=100)
    assert (np.random.get_state()[1] == before).all()  # type: ignore[index]


GAUSSIAN = [-329, 1125, -1042, -635, 564, -1185, 327, -1678]
LAPLACE = [0, 0, 3, 5, 7, -10, 2, 7]
