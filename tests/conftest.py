"""What tests of several parts start from."""

from __future__ import annotations

import pytest
from world import World


@pytest.fixture
def world() -> World:
    """A ledger's world whose members have registered."""
    made = World()
    made.settle_in()
    return made
