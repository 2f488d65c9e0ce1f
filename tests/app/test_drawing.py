"""Pictures and charts: well formed whatever the words, the same for the same, refused before work if they cannot be."""

from __future__ import annotations

import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from comitia.app.drawing import charts, communities, graphs
from comitia.app.drawing.charts import Chart, Curve
from comitia.app.drawing.files import require_chart, require_picture, write_charts, write_picture
from comitia.app.network import District, Resident
from comitia.core.errors import ConfigurationError, InputError
from comitia.core.ids import NodeId
from comitia.text.context_graph import ContextGraph

terms = st.text(min_size=1, max_size=12)


@settings(max_examples=25)
@given(st.dictionaries(terms, st.floats(0, 9), max_size=9), terms)
def test_a_graph_is_well_formed_whatever_the_words(nodes: dict[str, float], title: str) -> None:
    edges = {(min(a, b), max(a, b)): 0.5 for a, b in pairwise(nodes)}
    panel = graphs.Panel(title=title, note="", graph=ContextGraph(nodes=nodes, edges=edges))
    svg = graphs.draw([panel] * 3)
    drawn = ET.fromstring(svg)
    assert len(drawn.findall(".//{*}text[@class='term']")) == 3 * len(nodes)
    assert len(drawn.findall(".//{*}line")) == 3 * len(edges)
    assert svg == graphs.draw([panel] * 3)


def district(prefix: str, *alive: bool | None) -> District:
    residents = tuple(
        Resident(node=NodeId("a" * 32), name=f"<plant & {n}>" * 9, share=0.5, alive=there)
        for n, there in enumerate(alive)
    )
    return District(prefix=prefix, categories=("engine", "a & b"), residents=residents)


@pytest.mark.parametrize(
    "districts", [(), (district("", True),), (district("00", True, False), district("011", None), district("1"))]
)
def test_every_community_has_its_box(districts: tuple[District, ...]) -> None:
    boxes = [rect for rect in ET.fromstring(communities.draw(districts)).findall(".//{*}rect") if rect.get("rx")]
    assert len(boxes) == len(districts)


CHARTS = [
    Chart(
        x="providers",
        y="seconds",
        curves=(
            Curve(name="ours, 3", family="ours", points=((1, 2.0), (10, 3.0)), deviations=(0.1, 0.2)),
            Curve(name="ours, 6", family="ours", points=((1, 2.5), (10, 3.5))),
            Curve(name="theirs", points=((1, 20.0), (10, 30.0))),
        ),
        log_x=True,
        log_y=True,
    ),
    Chart(x="providers", y="messages", curves=(Curve(name="ours", points=((1, 2.0),)),), from_zero=True),
    Chart(x="providers", y="nothing was measured", curves=()),
]


def test_charts_are_the_same_for_the_same(tmp_path: Path) -> None:
    first, again, picture = tmp_path / "a.svg", tmp_path / "b.svg", tmp_path / "c.PNG"
    for file in (first, again, picture):
        require_chart(file)
        write_charts(file, CHARTS, title="made up")
    assert first.read_bytes() == again.read_bytes() == charts.draw(CHARTS, title="made up", form="svg")
    assert ET.fromstring(first.read_bytes()).tag.endswith("svg")
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_a_picture_as_png(tmp_path: Path) -> None:
    file = tmp_path / "communities.png"
    require_picture(file)
    write_picture(file, communities.draw([district("", True)]))
    assert file.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("require", [require_picture, require_chart])
def test_a_file_of_another_kind_is_refused(require: Callable[[Path], None], tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        require(tmp_path / "graph.pdf")
    assert caught.value.code == "bad-picture"


@pytest.mark.parametrize(
    ("require", "package", "extra"), [(require_picture, "resvg_py", "png"), (require_chart, "matplotlib", "plots")]
)
def test_without_its_extra_it_is_refused_before_work(
    require: Callable[[Path], None], package: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ConfigurationError) as caught:
        require(Path("graph.png"))
    assert (caught.value.code, caught.value.exit_status) == ("extra-missing", 4)
    assert f"comitia[{extra}]" in caught.value.hint
