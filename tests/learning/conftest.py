from __future__ import annotations

import pytest
from made_up_consortium import Consortium, make, make_opaque

from comitia.text.vectors import VectorKind


@pytest.fixture(scope="session", params=list(VectorKind))
def consortium(request: pytest.FixtureRequest) -> Consortium:
    return make(request.param)


@pytest.fixture(scope="session")
def lsa() -> Consortium:
    return make(VectorKind.LSA)


@pytest.fixture(scope="session")
def without_references() -> Consortium:
    return make(VectorKind.LSA, references=0)


@pytest.fixture(scope="session")
def opaque() -> Consortium:
    return make_opaque()
