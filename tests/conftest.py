"""What tests of several parts start from."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings
from world import World

settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")
"""How long an example takes depends on what else the machine does."""


@pytest.fixture
def world() -> World:
    """A ledger's world whose members have registered."""
    made = World()
    made.settle_in()
    return made
