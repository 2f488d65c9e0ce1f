"""Made-up plants and their work orders, and a consortium of them as real processes."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from comitia.app.asking import Answer
from comitia.app.local import LocalConsortium
from comitia.app.node.client import Client
from comitia.text.build import build_codebook
from comitia.text.categories import Category
from comitia.text.codebook import Codebook
from comitia.text.documents import Document

WORDS = {
    "hydraulics": ["hose", "leak", "swivel", "cylinder", "pump", "pressure", "oil", "seal", "ram", "valve"],
    "engine": [
        "starter",
        "turbo",
        "smoke",
        "coolant",
        "injector",
        "belt",
        "radiator",
        "overheating",
        "idle",
        "exhaust",
    ],
    "bucket": ["tooth", "lip", "weld", "crack", "adapter", "wear", "plate", "corner", "edge", "shroud"],
}
COMMON = ["replace", "check", "broken", "left", "right", "rear", "front", "repair", "during", "shift"]
STAGE_MS = 60_000
"""A stage ends when all have posted. So long only who waits for a node that is dead waits."""
SHORT_STAGE_MS = 5_000
"""For tests that wait for the dead."""
PATIENCE_S = 120.0
"""Far longer than anything takes, on a loaded machine too: whoever waits so long has found a fault."""


def texts(label: str, count: int, seed: int) -> list[str]:
    draw = random.Random(f"{label}/{seed}")
    return [" ".join(draw.choices(WORDS[label], k=5) + draw.choices(COMMON, k=2)) for _ in range(count)]


def documents(seed: int, each: int = 120) -> list[Document]:
    """One plant's work orders, `each` of every category.

    So many that noise decides nothing: a release at epsilon 2 has a signal of 9 standard deviations and falls below 0
    once in 1e19 times (at 1.25, 6 and once in 1e9; at a pure 4, without a pool, 4 and once in 1e5, all three of them
    once in 1e15); the model mistakes 4 of 20 texts of a category less than once in 1e50.
    """
    return [Document(text=text, label=label) for label in WORDS for text in texts(label, each, seed)]


def mostly(label: str, seed: int) -> list[Document]:
    """Work orders of a plant that has four of this category to one of each other: nobody is found for it before it.

    Noise (two documents, on average) would have to move a hundred to change that, if `described` says what its leaves
    are about.
    """
    return [
        Document(text=text, label=each) for each in WORDS for text in texts(each, 240 if each == label else 60, seed)
    ]


def described(seed: int = 99, others: Sequence[Category] = ()) -> Codebook:
    """A codebook whose categories' names say all that they are about, so that their leaves draw their documents."""
    pool = [text for label in WORDS for text in texts(label, 60, seed)]
    named = [Category(label=label, name=" ".join([label, *words])) for label, words in WORDS.items()]
    return build_codebook(pool, [*named, *others])


def consortium(
    directory: Path, codebook: Codebook, providers: int = 3, *, holding: Callable[[int], list[Document]] = documents
) -> LocalConsortium:
    """A consortium whose nodes are not started yet; its plants, from 0 on, hold what `holding` says."""
    local = LocalConsortium(directory)
    local.found(codebook)
    for number in range(providers):
        local.add_provider(f"plant-{number + 1}", holding(number))
    return local


def specialised(directory: Path, codebook: Codebook) -> LocalConsortium:
    """The same, where each plant has mostly documents of another category."""
    return consortium(directory, codebook, holding=lambda number: mostly(list(WORDS)[number], number))


def wait_for(happened: Callable[[], bool]) -> None:
    """Wait until something has happened."""
    deadline = time.monotonic() + PATIENCE_S
    while not happened():
        assert time.monotonic() < deadline, "it did not come in time"
        time.sleep(0.05)


def took_part(client: Client, answer: Answer) -> int:
    """How many providers committed a model in the session of an answer.

    Whether a model is accepted depends on its noise too: now and then the matched filter turns honest work away.
    """
    session = client.application.session(answer.verified.session)
    assert session is not None
    return len(session.commits)
