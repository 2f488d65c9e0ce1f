"""Measurements as curves, drawn by matplotlib, which the extra `plots` brings."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from comitia.core.extras import extra

_WIDTH, _HEIGHT = 5.6, 4.2
"""Inches of one chart."""
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
        size = (_WIDTH * columns + 1, _HEIGHT * rows)
        sheet = extra("matplotlib.figure").Figure(figsize=size, layout="constrained")
        for axes, chart in zip(sheet.subplots(rows, columns, squeeze=False).flat, charts, strict=False):
            _fill(axes, chart)
        if title:
            sheet.suptitle(title)
        drawn = io.BytesIO()
        sheet.savefig(drawn, format=form, dpi=120, metadata={"Date": None} if form == "svg" else None)
    return drawn.getvalue()


def _fill(axes: Any, chart: Chart) -> None:
    families = list(dict.fromkeys(curve.family or curve.name for curve in chart.curves))
    drawn = dict.fromkeys(families, 0)
    for curve in chart.curves:
        family = curve.family or curve.name
        axes.errorbar(
            *zip(*curve.points, strict=True),
            yerr=curve.deviations or None,
            color=f"C{families.index(family)}",
            linestyle=_STYLES[drawn[family] % len(_STYLES)],
            marker="o",
            markersize=4,
            capsize=2,
            label=curve.name,
        )
        drawn[family] += 1
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
    if len(chart.curves) > 1:
        axes.legend(fontsize="x-small")
