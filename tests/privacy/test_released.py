"""Nothing becomes `Released` but through a mechanism."""

from __future__ import annotations

import ast
import copy
import pickle
from pathlib import Path

import numpy as np
import pytest

import comitia
from comitia.privacy.mechanisms import laplace
from comitia.privacy.noise import SystemNoise
from comitia.privacy.released import Released
from comitia.privacy.terms import PrivacyTerms

SOURCES = Path(comitia.__file__).parent


def released() -> Released[np.ndarray]:
    values = np.zeros(3, dtype=np.int64)
    return laplace(values, l1_sensitivity=2, terms=PrivacyTerms.of(1), noise=SystemNoise())


def test_nobody_else_makes_one() -> None:
    receipt = released().receipt
    for mint in (None, object(), True, Released):
        with pytest.raises(TypeError, match="only a mechanism"):
            Released("secret", receipt, mint=mint)
    with pytest.raises(TypeError):
        Released("secret", receipt)  # type: ignore[call-arg]


def test_nobody_changes_one() -> None:
    mine = released()
    with pytest.raises(AttributeError):
        mine.value = "secret"  # type: ignore[assignment]
    with pytest.raises(AttributeError):
        del mine.receipt
    with pytest.raises(AttributeError):
        mine.other = 1  # type: ignore[attr-defined]


def test_nobody_makes_one_from_bytes_or_a_copy() -> None:
    with pytest.raises(TypeError):
        pickle.dumps(released())
    with pytest.raises(TypeError):
        copy.copy(released())


def test_computing_on_a_release_keeps_its_receipt() -> None:
    mine = released()
    total = mine.map(lambda values: int(values.sum()))
    assert total.receipt is mine.receipt
    assert total.value == int(mine.value.sum())


def forbidden_uses(source: str) -> list[str]:
    """What in a module would get round the mechanisms."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("comitia.privacy"):
            found += [name.name for name in node.names if name.name.startswith("_")]
        if isinstance(node, ast.Attribute) and node.attr == "_MINT":
            found.append("_MINT")
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            if called.split(".")[-1] == "Released" or called.startswith("Released["):
                found.append(called)
            if called in {"object.__new__", "object.__setattr__"} and "Released" in ast.unparse(node):
                found.append(called)
    return found


def test_the_sources_do_not_get_round_the_mechanisms() -> None:
    outside = [path for path in SOURCES.rglob("*.py") if path.parent.name != "privacy"]
    assert len(outside) > 10
    found = {
        str(path.relative_to(SOURCES)): uses for path in outside if (uses := forbidden_uses(path.read_text("utf-8")))
    }
    assert found == {}


@pytest.mark.parametrize(
    "source",
    [
        "from comitia.privacy.released import _MINT",
        "from comitia.privacy import released\nreleased._MINT",
        "Released(1, receipt, mint=x)",
        "released.Released(1, receipt, mint=x)",
        "object.__new__(Released)",
    ],
)
def test_the_scan_sees_what_it_looks_for(source: str) -> None:
    assert forbidden_uses(source)
