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


def why_no_rounds(name: str, *, rounds: int, chain: bool) -> str | None:
    """Why a learner cannot be asked for so many rounds, or for a chain; None if it can.

    What does not go on from the model that it is given learns all there is in one round.
    """
    if (name in LEARNERS and LEARNERS[name].rounds > 1) or (rounds == 1 and not chain):
        return None
    if chain:
        return f"{name!r} does not go on from the model it is given: in a chain it makes the same model as in parallel"
    return f"{name!r} learns in one round, {rounds} were asked for"
