"""Participants that come and go: who is in each epoch's directory, and who of them is there at its end.

In every epoch the same share leaves, half of it with a word and half by a crash, and as many join. Newcomers and those
who took leave count from the next border on. A crash is nobody's word: the crashed stay in every later directory.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from comitia.evaluation.retrieval.population import Population
from comitia.evaluation.retrieval.world import Fates, draw_fates
from comitia.retrieval.liveness import SILENCES

PROBES: Final = 10
"""Times in an epoch that a participant probes each of its contacts."""


def churned(
    population: Population, rate: float, epochs: int, malicious: float, generator: np.random.Generator
) -> Iterator[tuple[Population, Fates]]:
    """Participants at the end of each epoch, the worst moment.

    Parameters
    ----------
    population : Population
        Of n (1 + rate epochs) participants; the first n are there from the beginning.
    rate : float
        Share that leaves and that joins in an epoch.
    malicious : float
        Share of those who answer that lies.

    Yields
    ------
    Population, Fates
        Who is in the epoch's directory.
    """
    registered = np.arange(round(population.profiles.participants / (1 + rate * epochs)))
    changing = round(len(registered) * rate / 2)
    fates = draw_fates(population.profiles.participants, 0, malicious, generator)
    alive, noticed = fates.alive.copy(), fates.noticed.copy()
    newcomers = len(registered)
    for _ in range(epochs):
        living = generator.permutation(registered[alive[registered]])
        crashed, leaving = living[:changing], living[changing : 2 * changing]
        noticed |= ~alive
        alive[crashed] = False
        noticed[crashed] = generator.random(len(crashed)) < 1 - (SILENCES + 1) / PROBES
        yield (
            population.subset(registered),
            Fates(
                alive=alive[registered],
                malicious=(fates.malicious & alive)[registered],
                noticed=noticed[registered],
            ),
        )
        joining = np.arange(newcomers, newcomers + 2 * changing)
        newcomers += len(joining)
        registered = np.concatenate([np.setdiff1d(registered, leaving), joining])
