"""Categories of a consortium: a label id and, where they are public, a name and a description."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from comitia.core.errors import InputError


@dataclass(frozen=True, slots=True, kw_only=True)
class Category:
    """What is publicly known of one category.

    Attributes
    ----------
    label : str
        The label id, unique in its codebook. It need not mean anything.
    name : str
        Name in words; empty for an opaque code.
    description : str
        A few words more; empty where there are none.
    """

    label: str
    name: str = ""
    description: str = ""

    @property
    def words(self) -> str:
        """Name and description as one short text; empty for an opaque code."""
        return f"{self.name} {self.description}".strip()


def parse_categories(table: Mapping[str, object]) -> tuple[Category, ...]:
    """Read a ``categories.toml``, already parsed: ``[[category]]`` with id, name, description.

    Raises
    ------
    InputError
        If there is no category, an entry has no id, a value is not text, a key is unknown or an id
        comes twice; the message numbers the entry.
    """
    entries = table.get("category")
    if not isinstance(entries, list) or not entries:
        raise InputError(
            "there is no [[category]] in the categories file",
            code="no-category",
            hint='Each category is a block [[category]] with id = "..." and, if public, name and description.',
        )
    unknown = sorted(set(table) - {"category"})
    if unknown:
        raise InputError(f"unknown key {unknown[0]!r} in the categories file", code="unknown-key", key=unknown[0])
    categories = tuple(_parse_category(entry, number) for number, entry in enumerate(entries, start=1))
    check_labels_differ(categories)
    return categories


def check_labels_differ(categories: tuple[Category, ...]) -> None:
    """Refuse two categories with one label id, naming it."""
    seen: set[str] = set()
    for number, category in enumerate(categories, start=1):
        if category.label in seen:
            raise InputError(
                f"category {number} repeats the id {category.label!r}",
                code="repeated-category",
                category=category.label,
                entry=number,
            )
        seen.add(category.label)


def label_index(categories: tuple[Category, ...], label: str, *, origin: str) -> int:
    """Index of the category with this label; `origin` names where the label stood, for the error."""
    for index, category in enumerate(categories):
        if category.label == label:
            return index
    raise InputError(
        f"{origin} has the label {label!r}, which is not among the {len(categories)} categories",
        code="unknown-label",
        hint=f"Known labels: {', '.join(category.label for category in categories[:20])}",
        label=label,
    )


def _parse_category(entry: object, number: int) -> Category:
    if not isinstance(entry, Mapping):
        raise InputError(f"category {number} is not a block of keys", code="bad-category", entry=number)
    for key, value in entry.items():
        if key not in ("id", "name", "description"):
            raise InputError(f"category {number} has an unknown key {key!r}", code="unknown-key", key=key)
        if not isinstance(value, str):
            raise InputError(f"category {number}: {key} must be text", code="bad-category", entry=number, key=key)
    label = str(entry.get("id", "")).strip()
    if not label:
        raise InputError(f"category {number} has no id", code="bad-category", entry=number)
    return Category(
        label=label,
        name=str(entry.get("name", "")).strip(),
        description=str(entry.get("description", "")).strip(),
    )
