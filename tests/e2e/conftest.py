"""A small consortium of real processes: three providers, a super node that is also the witness."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from plants import STAGE_MS, WORDS, consortium, texts

from comitia.app.local import LocalConsortium
from comitia.app.tasks import Wish
from comitia.text.build import build_codebook
from comitia.text.categories import Category
from comitia.text.codebook import Codebook


@pytest.fixture(scope="session")
def codebook() -> Codebook:
    pool = [text for label in WORDS for text in texts(label, 60, 99)]
    return build_codebook(pool, [Category(label=label, name=f"{label} {WORDS[label][0]}") for label in WORDS])


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory, codebook: Codebook) -> Iterator[LocalConsortium]:
    """A running consortium that a module's tests share, and leave as they found it."""
    with consortium(tmp_path_factory.mktemp("consortium"), codebook) as made:
        made.start()
        yield made


@pytest.fixture
def own(tmp_path: Path, codebook: Codebook) -> Iterator[LocalConsortium]:
    """A running consortium that a test may break."""
    with consortium(tmp_path, codebook) as made:
        made.start()
        yield made


@pytest.fixture
def wish() -> Wish:
    return Wish(epsilon="2", purpose="testing", providers_max=3, accept_unverified=True, reuse=False, stage_ms=STAGE_MS)
