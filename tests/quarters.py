"""The slow tests in four parts that each have about as many: a commit's hash says which part CI runs."""

from __future__ import annotations

import hashlib

QUARTERS = 4


def quarter(name: str) -> int:
    """The part that a test's id, or a commit's hash, falls into: everywhere the same, whatever else there is."""
    return int(hashlib.sha256(name.encode()).hexdigest(), 16) % QUARTERS
