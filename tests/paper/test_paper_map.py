"""Each equation, definition, algorithm, table, figure and step of sections II to IV has one place in the code."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]


def _load_tool() -> ModuleType:
    specification = importlib.util.spec_from_file_location("paper_map", ROOT / "tools" / "paper_map.py")
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules[specification.name] = module
    specification.loader.exec_module(module)
    return module


paper_map = _load_tool()
REQUIRED = [item.label for item in paper_map.ITEMS if item.required]


@pytest.fixture(scope="module")
def found() -> object:
    return paper_map.survey()


@pytest.mark.parametrize("label", REQUIRED)
def test_has_exactly_one_source(label: str, found: object) -> None:
    places = paper_map.places(found, label)
    assert len(places) == 1, f"{label} has {len(places)} places: {places or 'none'}"


def test_every_tag_can_be_read(found: object) -> None:
    assert found.problems == ()  # type: ignore[attr-defined]


def test_map_is_up_to_date(found: object) -> None:
    written = paper_map.MAP.read_text(encoding="utf-8")
    assert written == paper_map.render(found), "run `python tools/paper_map.py`"


def test_list_of_items_is_the_papers() -> None:
    assert [label for label in REQUIRED if label.startswith("Eq.")] == [f"Eq. ({n})" for n in range(1, 8)]
    assert [label for label in REQUIRED if label.startswith("Fig.")] == [f"Fig. {n}" for n in range(2, 9)]
    assert [label for label in REQUIRED if label.startswith("III.C step")] == [f"III.C step {n}" for n in range(1, 8)]
    assert [label for label in REQUIRED if label.startswith("III.D.1")] == [f"III.D.1 step {n}" for n in range(1, 4)]
    assert {"Definition 1", "Algorithm 1", "Table I"} <= set(REQUIRED)


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("Eq. (7)", ("Eq. (7)",)),
        ("Eqs. (4) and (5)", ("Eq. (4)", "Eq. (5)")),
        ("Eqs. (1), (2); III-B", ("Eq. (1)", "Eq. (2)", "III.B")),
        ("Eq. (6). Cf. Eq. (7).", ("Eq. (6)",)),
        ("Algorithm 1, lines 4-5", ()),
        ("Algorithm 1, Fig. 6", ("Algorithm 1", "Fig. 6")),
        ("III.C step 3", ("III.C step 3",)),
        ("III.D.1 step 2; Table I", ("Table I", "III.D.1 step 2")),
    ],
)
def test_tags_are_read(text: str, labels: tuple[str, ...]) -> None:
    assert paper_map.references(text) == (labels, ())


@pytest.mark.parametrize("text", ["Eq. (9)", "NOWHERE.md stage 4", "the paper", "III.C step 8"])
def test_tags_that_name_nothing_are_refused(text: str) -> None:
    _, complaints = paper_map.references(text)
    assert len(complaints) == 1
