"""Made-up plants and their work orders, and a consortium of them as real processes."""

from __future__ import annotations

import random
from pathlib import Path

from comitia.app.asking import Answer
from comitia.app.local import LocalConsortium
from comitia.app.node.client import Client
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
STAGE_MS = 2500


def texts(label: str, count: int, seed: int) -> list[str]:
    draw = random.Random(f"{label}/{seed}")
    return [" ".join(draw.choices(WORDS[label], k=5) + draw.choices(COMMON, k=2)) for _ in range(count)]


def documents(seed: int, each: int = 60) -> list[Document]:
    return [Document(text=text, label=label) for label in WORDS for text in texts(label, each, seed)]


def consortium(directory: Path, codebook: Codebook, providers: int = 3) -> LocalConsortium:
    """A consortium whose nodes are not started yet."""
    local = LocalConsortium(directory)
    local.found(codebook)
    for number in range(providers):
        local.add_provider(f"plant-{number + 1}", documents(number))
    return local


def took_part(client: Client, answer: Answer) -> int:
    """How many providers committed a model in the session of an answer.

    Whether a model is accepted depends on its noise too: now and then the matched filter turns honest work away.
    """
    session = client.application.session(answer.verified.session)
    assert session is not None
    return len(session.commits)
