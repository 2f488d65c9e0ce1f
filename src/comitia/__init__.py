"""Comitia: answers from many owners' text data, without the text leaving its owner."""

from __future__ import annotations

__version__ = "0.1.0"
