"""The learners there are. A new one is a module of its own and a line here; peers send names, never code."""

from __future__ import annotations

from collections.abc import Mapping

from comitia.core.errors import InputError
from comitia.learning.bins import BinnedTarget
from comitia.learning.contract import Learner
from comitia.learning.distilled_trees import FOREST, GBDT, TREE
from comitia.learning.prototype import Prototype
from comitia.learning.softmax import Softmax

LEARNERS: Mapping[str, Learner] = {
    each.name: each
    for each in (
        Prototype(),
        GBDT,
        FOREST,
        TREE,
        Softmax(),
        BinnedTarget(),
    )
}


def learner(name: str) -> Learner:
    """The learner of that name.

    Raises
    ------
    InputError
        There is none; lists those there are.
    """
    try:
        return LEARNERS[name]
    except KeyError:
        known = ", ".join(sorted(LEARNERS))
        raise InputError(
            f"there is no learner {name!r}", code="unknown-learner", hint=f"known: {known}", name=name
        ) from None
