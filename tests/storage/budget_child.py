"""Reserves and spends until killed, saying each on standard output once it is durable. Run by test_budget."""

from __future__ import annotations

import sys
from itertools import count
from pathlib import Path

import numpy as np

from comitia.core.units import MICRO
from comitia.privacy.book import Ask
from comitia.privacy.limits import Cap, Limits, Span
from comitia.privacy.mechanisms import laplace
from comitia.privacy.noise import SeededNoise
from comitia.privacy.terms import PrivacyTerms, Unit
from comitia.storage.budget import BudgetFile

LIMITS = Limits(delta_pico=10**7, unit=Unit.RECORD, caps=(Cap(span=Span.LIFE, epsilon_micro=64 * MICRO),))
RECEIPT = laplace(
    np.zeros(2, dtype=np.int64), l1_sensitivity=2, terms=PrivacyTerms.of("0.0001"), noise=SeededNoise(b"")
).receipt

with BudgetFile.create(Path(sys.argv[1])) as file:
    for number in count():
        name = str(number)
        ask = Ask(
            reservation=name.encode(),
            session=b"",
            requester="ann",
            category="pumps",
            epsilon_micro=100,
            delta_pico=0,
            at_ms=number,
        )
        file.reserve(LIMITS, ask)
        sys.stdout.write(f"reserved {name}\n")
        sys.stdout.flush()
        file.spend(name.encode(), RECEIPT)
        sys.stdout.write(f"spent {name}\n")
        sys.stdout.flush()
