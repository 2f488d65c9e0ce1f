"""Make docs/paper-map.md from the `Source:` tags in the docstrings of src/comitia.

A docstring that defines something of the paper (Lu et al. 2020) says so once, as `Source: Eq. (6)`; any other
place that refers to it says `Cf. Eq. (6)`. This tool collects the tags, writes the map, and names what has no
place, what has two, and what it cannot read.

    python tools/paper_map.py            # write docs/paper-map.md, list what is wrong
    python tools/paper_map.py --check    # write nothing; exit status 1 if anything is wrong or the map is old
"""

from __future__ import annotations

import argparse
import ast
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src" / "comitia"
TESTS = ROOT / "tests" / "paper"
MAP = ROOT / "docs" / "paper-map.md"


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One numbered thing of the paper.

    label: as tags write it, e.g. "Eq. (6)"
    title: what it is, in a few words
    decisions: numbers of the decision records in docs/adr that say where Comitia differs
    required: whether exactly one docstring must define it (figures of results are optional)
    """

    label: str
    title: str
    decisions: tuple[int, ...] = ()
    required: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Tag:
    """One reference in one `Source:` tag.

    label: the item's label, or a section such as "III.B"
    place: dotted name of the module, class or function whose docstring holds the tag
    """

    label: str
    place: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """Everything found.

    tags: references to items and sections, in order of place
    problems: sentences about tags that cannot be read
    tests: label -> names of the tests in tests/paper whose docstring names it
    """

    tags: tuple[Tag, ...]
    problems: tuple[str, ...]
    tests: dict[str, tuple[str, ...]]


ITEMS: tuple[Item, ...] = (
    Item(label="Definition 1", title="Weighted context graph"),
    Item(label="Eq. (1)", title="Logical distance of two participants", decisions=(4,)),
    Item(label="Eq. (2)", title="Relevance distance of two ids: exclusive or", decisions=(5,)),
    Item(label="Eq. (3)", title="Differential privacy", decisions=(8,)),
    Item(label="Eq. (4)", title="Noise on the local model", decisions=(8, 12)),
    Item(label="Eq. (5)", title="Sensitivity", decisions=(12,)),
    Item(label="Eq. (6)", title="Mean absolute error of a model", decisions=(9,)),
    Item(label="Eq. (7)", title="Weighted error that ranks the committee", decisions=(6,)),
    Item(label="Algorithm 1", title="Differentially private federated learning", decisions=(1, 2, 8)),
    Item(label="Table I", title="Record tuple of a model transaction"),
    Item(label="Fig. 2", title="Architecture: ledger module and learning module"),
    Item(label="Fig. 3", title="Working mechanism: search the cache, retrieve, train, answer", decisions=(10,)),
    Item(label="Fig. 4", title="Records on the ledger: retrieval and sharing"),
    Item(label="Fig. 5", title="Local retrieval table"),
    Item(label="Fig. 6", title="Training in the distributed scenario", decisions=(1,)),
    Item(label="Fig. 7", title="Model transactions", decisions=(3,)),
    Item(label="Fig. 8", title="Consensus process of PoQ", decisions=(7, 11)),
    Item(label="III.C step 1", title="Initialization: cluster locally, derive ids", decisions=(5,)),
    Item(label="III.C step 2", title="Registering retrieval records"),
    Item(label="III.C step 3", title="Launching data sharing requests"),
    Item(label="III.C step 4", title="Data retrieval", decisions=(10,)),
    Item(label="III.C step 5", title="Data model learning"),
    Item(label="III.C step 6", title="Generating data sharing records"),
    Item(label="III.C step 7", title="Carrying out consensus: the proof-of-work baseline"),
    Item(label="III.D.1 step 1", title="Selecting training samples"),
    Item(label="III.D.1 step 2", title="Differentially private local model training", decisions=(12,)),
    Item(label="III.D.1 step 3", title="Collaborative multiparty learning", decisions=(2, 8)),
    Item(label="Fig. 9", title="AUC, 20News", required=False),
    Item(label="Fig. 10", title="AUC, Reuters", required=False),
    Item(label="Fig. 11", title="Running time, 20News", required=False),
    Item(label="Fig. 12", title="Running time, Reuters", required=False),
)

_SOURCE = re.compile(r"\bSource:\s*(?P<text>.*(?:[;,]\s*\n.*)*)")
_EQUATIONS = re.compile(r"\bEqs?\.\s*(?P<numbers>\(\d+\)(?:(?:,|\s+and)\s*\(\d+\))*)")
_LINES = re.compile(r"\bAlgorithm 1,? lines? \d+")
_NAMED = re.compile(r"\b(?:Definition \d+|Algorithm \d+|Table [IVX]+|Figs?\.\s*\d+)(?!\w)")
_SECTION = re.compile(r"\b(?P<section>(?:II|III|IV)[.-][A-D](?:\.\d)?)(?:,? step (?P<step>\d))?(?!\w)")
_DOCUMENT = re.compile(r"(?<![\w/])[\w./-]+\.md\b")


def references(text: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Labels that one tag's text names, and what in it cannot be read.

    text: what follows `Source:`
    returns: (labels, complaints); lines of Algorithm 1 are a detail of it and give no label
    """
    text = text.split("Cf.")[0]
    labels: list[str] = []
    for match in _EQUATIONS.finditer(text):
        labels += [f"Eq. {number}" for number in re.findall(r"\(\d+\)", match["numbers"])]
    lines = _LINES.search(text)
    for match in _NAMED.finditer(_LINES.sub("", text)):
        labels.append(re.sub(r"Figs?\.\s*", "Fig. ", match[0]))
    for match in _SECTION.finditer(text):
        section = match["section"].replace("-", ".")
        labels.append(f"{section} step {match['step']}" if match["step"] else section)
    documents = _DOCUMENT.findall(text)
    complaints = [
        f"names {name}, which this project does not have" for name in documents if not (ROOT / name).is_file()
    ]
    known = {item.label for item in ITEMS}
    complaints += [
        f"names {label}, which the paper does not have"
        for label in labels
        if label not in known and not _is_section(label)
    ]
    if not labels and not lines and not documents:
        complaints.append(f"names nothing of the paper: {text.strip()!r}")
    return tuple(label for label in labels if label in known or _is_section(label)), tuple(complaints)


def _is_section(label: str) -> bool:
    """Whether a label is a section alone: many places may have the same section as their source."""
    return _SECTION.fullmatch(label) is not None and " step " not in label


def docstrings(path: Path, module: str) -> Iterator[tuple[str, str]]:
    """Every docstring of a module as (dotted place, text), those of attributes (a string after them) among them."""
    yield from _docstrings_of(ast.parse(path.read_text(encoding="utf-8"), str(path)), module)


def _docstrings_of(
    node: ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef, place: str
) -> Iterator[tuple[str, str]]:
    previous: ast.stmt | None = None
    for statement in node.body:
        if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
            if isinstance(statement.value.value, str):
                yield _place_of_string(previous, place), statement.value.value
        elif isinstance(statement, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield from _docstrings_of(statement, f"{place}.{statement.name}")
        previous = statement


def _place_of_string(previous: ast.stmt | None, place: str) -> str:
    """The attribute that a string stands after, else the body it stands in."""
    if isinstance(previous, ast.AnnAssign) and isinstance(previous.target, ast.Name):
        return f"{place}.{previous.target.id}"
    if isinstance(previous, ast.Assign) and isinstance(previous.targets[0], ast.Name):
        return f"{place}.{previous.targets[0].id}"
    return place


def module_name(path: Path, top: Path) -> str:
    """Dotted name of a module file under the folder that holds its top package."""
    parts = path.relative_to(top).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def survey(source: Path = SOURCE, tests: Path = TESTS) -> Survey:
    """Read every docstring under a package, and those of the paper's tests."""
    tags: list[Tag] = []
    problems: list[str] = []
    for path in sorted(source.rglob("*.py")):
        for place, text in docstrings(path, module_name(path, source.parent)):
            for match in _SOURCE.finditer(text):
                labels, complaints = references(match["text"])
                tags += [Tag(label=label, place=place) for label in labels]
                problems += [f"{place}: a `Source:` tag {complaint}" for complaint in complaints]
    return Survey(tags=tuple(tags), problems=tuple(problems), tests=_tests_by_label(tests))


def _tests_by_label(tests: Path) -> dict[str, tuple[str, ...]]:
    held: dict[str, list[str]] = {item.label: [] for item in ITEMS}
    for path in sorted(tests.glob("test_*.py")):
        if path.name == "test_paper_map.py":
            continue
        for place, text in docstrings(path, path.stem):
            for label in held:
                if re.search(re.escape(label) + r"(?!\d)", text):
                    held[label].append(place)
    return {label: tuple(places) for label, places in held.items()}


def places(found: Survey, label: str) -> tuple[str, ...]:
    """Where an item is defined; exactly one place for every required item when all is well."""
    return tuple(tag.place for tag in found.tags if tag.label == label)


def faults(found: Survey) -> tuple[str, ...]:
    """What is wrong, one sentence each: unreadable tags, items without a place or with several."""
    wrong = list(found.problems)
    for item in ITEMS:
        where = places(found, item.label)
        if item.required and not where:
            wrong.append(f"{item.label} ({item.title}): no docstring says `Source: {item.label}`")
        if len(where) > 1:
            wrong.append(
                f"{item.label} ({item.title}): defined {len(where)} times, in {', '.join(where)}; "
                "write `Cf.` in all but one"
            )
    return tuple(wrong)


def render(found: Survey) -> str:
    """The map as Markdown."""
    lines = [
        "# Paper map",
        "",
        "Where each numbered thing of the paper is in the code, which tests hold it, and which decision says where",
        "Comitia departs from it. The paper is Lu, Huang, Dai, Maharjan and Zhang, *Blockchain and Federated",
        "Learning for Privacy-Preserved Data Sharing in Industrial IoT*, IEEE Transactions on Industrial",
        "Informatics 16 (6), 2020.",
        "",
        "This page is made by `python tools/paper_map.py` from the `Source:` tags in the docstrings. Do not edit it.",
        "",
        "| Paper | What | Defined in | Held by (`tests/paper`) | Differs |",
        "|---|---|---|---|---|",
    ]
    lines += [_row(item, found) for item in ITEMS if item.required or places(found, item.label)]
    lines += ["", "## By section", "", "| Section | Defined in |", "|---|---|"]
    sections = sorted({tag.label for tag in found.tags if _is_section(tag.label)})
    lines += [f"| {section} | {_names(places(found, section))} |" for section in sections]
    return "\n".join([*lines, ""])


def _row(item: Item, found: Survey) -> str:
    decisions = ", ".join(f"[{number:04d}]({_decision(number)})" for number in item.decisions)
    defined = _names(places(found, item.label)) or "not yet"
    return f"| {item.label} | {item.title} | {defined} | {_names(found.tests.get(item.label, ()))} | {decisions} |"


def _names(names: Sequence[str]) -> str:
    return "<br>".join(f"`{name}`" for name in names)


def _decision(number: int) -> str:
    """Link from the map to a decision record."""
    return next(path.relative_to(MAP.parent).as_posix() for path in (MAP.parent / "adr").glob(f"{number:04d}-*.md"))


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Make docs/paper-map.md from `Source:` tags.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit status 1 if anything is wrong")
    check = parser.parse_args(arguments).check
    found = survey()
    text = render(found)
    wrong = list(faults(found))
    if not check:
        MAP.write_text(text, encoding="utf-8", newline="\n")
    elif not MAP.is_file() or MAP.read_text(encoding="utf-8") != text:
        wrong.append(f"{MAP.relative_to(ROOT)} is out of date: run `python tools/paper_map.py`")
    for sentence in wrong:
        sys.stderr.write(sentence + "\n")
    return 1 if check and wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
