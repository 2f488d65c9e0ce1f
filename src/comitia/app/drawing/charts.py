"""Measurements as curves, drawn by matplotlib, which the extra `plots` brings."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from comitia.core.extras import extra

_WIDTH, _HEIGHT, _LEGEND = 5.2, 4.2, 1.8
"""Inches of one chart, and of the names beside them."""
_STYLES: Final = ("-", "--", ":", "-.")
"""Of the curves of one family, in turn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """One line of a chart.

    Attributes
    ----------
    name : str
        As the legend has it.
    points : tuple of (x, y)
    deviations : tuple of float
        Half the length of the bar through each point; empty for no bars.
    family : str
        Curves of one family share a colour and differ in their strokes; "" is a family of its own.
    """

    name: str
    points: tuple[tuple[float, float], ...]
    deviations: tuple[float, ...] = ()
    family: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """Curves over one pair of axes, either of which may be logarithmic; `from_zero` begins the upright one at 0."""

    title: str = ""
    x: str
    y: str
    curves: tuple[Curve, ...]
    log_x: bool = False
    log_y: bool = False
    from_zero: bool = False


def draw(charts: Sequence[Chart], *, title: str = "", form: str) -> bytes:
    """The charts side by side, two in a row, as an ``svg`` or ``png`` file's bytes: always the same for the same.

    Raises
    ------
    ConfigurationError
        Code ``extra-missing``: without matplotlib.
    """
    columns = min(2, len(charts))
    rows = -(-len(charts) // columns)
    with extra("matplotlib").rc_context({"svg.hashsalt": "comitia", "svg.fonttype": "none"}):
        size = (_WIDTH * columns + _LEGEND, _HEIGHT * rows)
        sheet = extra("matplotlib.figure").Figure(figsize=size, layout="constrained")
        looks = _looks(charts)
        lines: dict[str, Any] = {}
        for axes, chart in zip(sheet.subplots(rows, columns, squeeze=False).flat, charts, strict=False):
            lines |= _fill(axes, chart, looks)
        if len(lines) > 1:
            sheet.legend(lines.values(), lines.keys(), loc="outside right upper", fontsize="x-small")
        if title:
            sheet.suptitle(title)
        drawn = io.BytesIO()
        sheet.savefig(drawn, format=form, dpi=120, metadata={"Date": None} if form == "svg" else None)
    return drawn.getvalue()


def _looks(charts: Sequence[Chart]) -> dict[str, tuple[str, str]]:
    """Colour and stroke of each curve by its name, the same in all charts."""
    families: dict[str, list[str]] = {}
    for curve in (curve for chart in charts for curve in chart.curves):
        names = families.setdefault(curve.family or curve.name, [])
        if curve.name not in names:
            names.append(curve.name)
    return {
        name: (f"C{colour}", _STYLES[place % len(_STYLES)])
        for colour, names in enumerate(families.values())
        for place, name in enumerate(names)
    }


def _fill(axes: Any, chart: Chart, looks: Mapping[str, tuple[str, str]]) -> dict[str, Any]:
    """Draw into the axes; what the legend shows, by name."""
    lines = {}
    for curve in chart.curves:
        colour, style = looks[curve.name]
        x, y = zip(*curve.points, strict=True)
        bars = curve.deviations or None
        lines[curve.name] = axes.errorbar(
            x, y, bars, color=colour, linestyle=style, marker="o", markersize=4, capsize=2
        )
    axes.set(title=chart.title, xlabel=chart.x, ylabel=chart.y)
    if chart.log_x:
        axes.set_xscale("log")
        marks = sorted({x for curve in chart.curves for x, _ in curve.points})
        axes.set_xticks(marks, labels=[f"{mark:,.0f}" for mark in marks])
        axes.minorticks_off()
    if chart.log_y:
        axes.set_yscale("log")
    if chart.from_zero:
        axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    return lines
