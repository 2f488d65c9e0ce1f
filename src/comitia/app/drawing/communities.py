"""The communities as a picture: the tree of the leaves' codes, and who lives where."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from comitia.app.drawing.svg import document, plain
from comitia.app.network import District, Resident
from comitia.core.counting import counted

_ROW: Final = 26
_HEAD: Final = 34
_STEP: Final = 36
_WIDTH: Final = 460
_LETTERS: Final = 52
"""That fit into a box."""
_COLOURS: Final = {True: "#2e7d32", False: "#c62828", None: "#78909c"}
_MEANINGS: Final = {True: "answers", False: "silent", None: "not asked"}


def draw(districts: Sequence[District]) -> str:
    """An SVG document: one box a community, hung on the branches of the code tree."""
    left = _STEP * (max((len(d.prefix) for d in districts), default=0) + 1)
    tops = _tops(districts)
    height = tops[-1] + _ROW
    middle = {d.prefix: top + _HEAD / 2 for d, top in zip(districts, tops, strict=False)}
    body = [*_branches(middle, left)]
    for district, top in zip(districts, tops, strict=False):
        body += _box(district, left, top)
    body += _legend(height)
    width = left + _WIDTH + 20
    return document(
        width,
        height + _ROW,
        body,
        title=counted(len(districts), "community", "communities"),
        style="text{font-size:13px}",
    )


def _tops(districts: Sequence[District]) -> list[int]:
    """Where each box begins, and where the last one ends."""
    tops = [_ROW // 2]
    for district in districts:
        tops.append(tops[-1] + _HEAD + _ROW * len(district.residents) + _ROW // 2)
    return tops


def _branches(middle: dict[str, float], left: int) -> Iterator[str]:
    """Lines from each box to the fork where its branch leaves another's."""
    places = dict(middle)
    while len(places) > 1:
        deepest = max(places, key=len)
        pair = [p for p in places if p[: len(deepest) - 1] == deepest[:-1] and len(p) == len(deepest)]
        fork = sum(places[p] for p in pair) / len(pair)
        for prefix in pair:
            begin, end = _STEP * len(deepest), left if prefix in middle else _STEP * (len(deepest) + 1)
            yield f'<path d="M{begin} {fork} V{places[prefix]} H{end}" fill="none" stroke="#90a4ae"/>'
        for prefix in pair:
            del places[prefix]
        places[deepest[:-1]] = fork


def _box(district: District, left: int, top: int) -> Iterator[str]:
    height = _HEAD + _ROW * len(district.residents)
    yield f'<rect x="{left}" y="{top}" width="{_WIDTH}" height="{height}" rx="6" fill="#eceff1" stroke="#90a4ae"/>'
    words = plain(", ".join(district.categories), _LETTERS)
    yield f'<text x="{left + 12}" y="{top + 22}" font-weight="bold">{words}</text>'
    for row, resident in enumerate(district.residents):
        yield from _resident(resident, left, top + _HEAD + _ROW * row)


def _resident(resident: Resident, left: int, top: int) -> Iterator[str]:
    yield f'<circle cx="{left + 18}" cy="{top + 9}" r="5" fill="{_COLOURS[resident.alive]}"/>'
    yield f'<text x="{left + 32}" y="{top + 14}">{plain(resident.name, _LETTERS)}</text>'
    yield f'<text x="{left + _WIDTH - 12}" y="{top + 14}" text-anchor="end">{resident.share:.0%}</text>'


def _legend(top: int) -> Iterator[str]:
    for number, (alive, meaning) in enumerate(_MEANINGS.items()):
        x = 16 + 110 * number
        yield f'<circle cx="{x}" cy="{top}" r="5" fill="{_COLOURS[alive]}"/>'
        yield f'<text x="{x + 12}" y="{top + 4}">{meaning}</text>'
