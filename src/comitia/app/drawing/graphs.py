"""Context graphs as pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from comitia.app.drawing.svg import document, plain
from comitia.text.context_graph import ContextGraph

PANEL_WIDTH, PANEL_HEIGHT = 460, 340
_HEAD = 44
_MARGIN = 14
_ROUNDS = 240
_SMALLEST, _LARGEST = 10.0, 21.0
"""Size of the letters of the weakest and of the strongest key term."""
_LETTER = 0.56
"""Width of a letter on the average, in parts of its size."""

_STYLE = (
    ".panel{fill:#ffffff;stroke:#d5dae1}.title{font-size:15px;font-weight:600;fill:#1f2a37}"
    ".note{font-size:11px;fill:#6b7684}.term{fill:#1f4e79;text-anchor:middle;paint-order:stroke;"
    "stroke:#ffffff;stroke-width:3px;stroke-linejoin:round}.edge{stroke:#7fa6c9;stroke-linecap:round}"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One graph of a picture, with a title and a line below it."""

    title: str
    note: str
    graph: ContextGraph


def draw(panels: Sequence[Panel]) -> str:
    """An SVG document with a panel for each graph, as square as may be.

    Size and darkness of a term grow with its weight, an edge's breadth with its correlation. The same graphs give
    the same picture.
    """
    columns = max(1, round(len(panels) ** 0.5))
    rows = -(-len(panels) // columns)
    width, height = max(1, columns) * PANEL_WIDTH, max(1, rows) * PANEL_HEIGHT
    drawn = [
        f'<g transform="translate({index % columns * PANEL_WIDTH},{index // columns * PANEL_HEIGHT})">'
        f"{_panel(panel)}</g>"
        for index, panel in enumerate(panels)
    ]
    return document(width, height, drawn, title=", ".join(panel.title for panel in panels), style=_STYLE)


def _panel(panel: Panel) -> str:
    graph = panel.graph
    sizes = _letter_sizes(graph.nodes)
    places = _layout(graph, sizes)
    strongest = max(graph.edges.values(), default=1.0) or 1.0
    edges = [
        f'<line class="edge" x1="{places[a][0]:.1f}" y1="{places[a][1]:.1f}" x2="{places[b][0]:.1f}" '
        f'y2="{places[b][1]:.1f}" stroke-width="{0.6 + 4.4 * weight / strongest:.1f}" '
        f'stroke-opacity="{0.25 + 0.6 * weight / strongest:.2f}"/>'
        for (a, b), weight in graph.edges.items()
    ]
    terms = [
        f'<text class="term" x="{places[term][0]:.1f}" y="{places[term][1] + size / 3:.1f}" font-size="{size:.1f}" '
        f'fill-opacity="{0.55 + 0.45 * size / _LARGEST:.2f}">{plain(term)}</text>'
        for term, size in sizes.items()
    ]
    return (
        f'<rect class="panel" x="4" y="4" width="{PANEL_WIDTH - 8}" height="{PANEL_HEIGHT - 8}" rx="8"/>'
        f'<text class="title" x="{_MARGIN}" y="26">{plain(panel.title, 48)}</text>'
        f'<text class="note" x="{_MARGIN}" y="41">{plain(panel.note, 76)}</text>'
        f"{''.join(edges)}{''.join(terms)}"
    )


def _letter_sizes(nodes: Mapping[str, float]) -> dict[str, float]:
    strongest = max(nodes.values(), default=1.0) or 1.0
    return {term: _SMALLEST + (_LARGEST - _SMALLEST) * weight / strongest for term, weight in nodes.items()}


def _layout(graph: ContextGraph, sizes: Mapping[str, float]) -> dict[str, tuple[float, float]]:
    """A place for each term's middle: edges pull, terms that would cover each other push.

    Starts from a spiral, the strongest term in the middle, and moves less and less: no randomness.
    """
    terms = list(sizes)
    if not terms:
        return {}
    order = np.arange(len(terms))
    angle = 2.39996 * order
    radius = np.sqrt((order + 0.3) / len(terms))
    places = np.column_stack([radius * np.cos(angle), radius * np.sin(angle)]) * [PANEL_WIDTH / 3, PANEL_HEIGHT / 3]
    half = np.array([[_LETTER * size * len(term) / 2 + 4, size / 2 + 3] for term, size in sizes.items()])
    pull = graph.weight_matrix(terms)
    np.fill_diagonal(pull, 0.0)
    pull /= pull.max() or 1.0
    border = np.array([PANEL_WIDTH / 2 - _MARGIN, (PANEL_HEIGHT - _HEAD) / 2 - _MARGIN]) - half
    border = np.maximum(border, 0.0)
    for step in range(_ROUNDS):
        places = places + _shift(places, half, pull) * (1 - step / _ROUNDS)
        places = np.clip(places, -border, border)
    middle = np.array([PANEL_WIDTH / 2, _HEAD + (PANEL_HEIGHT - _HEAD) / 2])
    return {term: (float(x), float(y)) for term, (x, y) in zip(terms, places + middle, strict=True)}


def _shift(places: NDArray[np.float64], half: NDArray[np.float64], pull: NDArray[np.float64]) -> NDArray[np.float64]:
    """How far each term moves in one round."""
    apart = places[:, None] - places[None]
    room = half[:, None] + half[None]
    # In units of the room that two terms need: 1 is where they just touch, in either direction.
    scaled = apart / room
    near = np.sqrt(np.square(scaled).sum(axis=2)) + 1e-9
    push = np.minimum(6.0, 5.0 / np.square(near))
    np.fill_diagonal(push, 0.0)
    pushed = (scaled / near[..., None] * push[..., None]).sum(axis=1)
    pulled = -(apart * pull[..., None]).sum(axis=1) * 0.05
    inward = -places * 0.01
    return np.asarray(np.clip(pushed + pulled + inward, -12, 12))
