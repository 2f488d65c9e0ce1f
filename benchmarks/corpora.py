"""Two labelled data sets from what every Debian system can read, as CSV: text, label, split.

    python benchmarks/corpora.py packages FOLDER     synopses of Debian's packages, with the archive's section
    python benchmarks/corpora.py glosses FOLDER      WordNet's noun glosses (package wordnet-base), with their file

Nothing was tuned on them. A document's split follows from the hash of its text: three fifths train, the rest test.
"""

from __future__ import annotations

import csv
import hashlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

# fmt: off
KINDS_OF_FILES = {
    "libs", "libdevel", "oldlibs", "debug", "doc", "introspection", "metapackages", "localization", "misc", "devel",
    "interpreters", "tasks", "python", "perl", "haskell", "rust", "golang", "javascript", "java", "ruby", "gnu-r",
    "php", "ocaml", "lisp", "cli-mono",
}
"""Sections that name what a package is made of rather than what it is about."""
GLOSSES = Path("/usr/share/wordnet/data.noun")
FILES_OF_NOUNS = (
    "Tops", "act", "animal", "artifact", "attribute", "body", "cognition", "communication", "event", "feeling",
    "food", "group", "location", "motive", "object", "person", "phenomenon", "plant", "possession", "process",
    "quantity", "relation", "shape", "state", "substance", "time",
)
# fmt: on
FIRST_FILE_OF_NOUNS = 3
EVERY_NTH_GLOSS = 5


def packages() -> Iterator[tuple[str, str]]:
    """Synopsis and section of each package that the archive's index has."""
    index = subprocess.run(["apt-cache", "dumpavail"], capture_output=True, text=True, check=True).stdout
    for stanza in index.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in stanza.split("\n") if ": " in line and not line.startswith(" "))
        section = fields.get("Section", "")
        if section and "/" not in section and section not in KINDS_OF_FILES:
            yield fields.get("Description", ""), section


def glosses() -> Iterator[tuple[str, str]]:
    """Gloss and lexicographer file of every fifth noun."""
    lines = [line for line in GLOSSES.read_text("utf-8").splitlines() if not line.startswith(" ")]
    for line in lines[::EVERY_NTH_GLOSS]:
        facts, _, gloss = line.partition("| ")
        yield gloss.strip(), FILES_OF_NOUNS[int(facts.split()[1]) - FIRST_FILE_OF_NOUNS]


def main(name: str, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    seen: set[str] = set()
    with (folder / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("text", "label", "split"))
        for text, label in {"packages": packages, "glosses": glosses}[name]():
            if text and text not in seen:
                seen.add(text)
                fifth = hashlib.sha256(text.encode()).digest()[0] % 5
                writer.writerow((text, label, "train" if fifth < 3 else "test"))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
