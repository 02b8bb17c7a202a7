"""The values of a measure with each part of the models left out, as a jackknife takes them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from byrote.evidence.by_model import some
from byrote.evidence.schema import quantity
from byrote.measures.catalog import Measure
from byrote.results import PerExample


def measured_without(
    entry: Measure,
    part: Int[np.ndarray, " model"],
    evidence: Mapping[str, Any],
    on_progress: Callable[[float], None] = lambda share: None,
) -> tuple[PerExample, Float[np.ndarray, "part example"]]:
    """The result of a measure and its values with each part left out, at once where both come from the same sums."""
    found = None if entry.together is None else entry.together(part, evidence)
    if found is not None:
        return found
    result = entry.function(**evidence)
    assert isinstance(result, PerExample)
    return result, without_each(entry, part, evidence, on_progress)


def without_each(
    entry: Measure,
    part: Int[np.ndarray, " model"],
    evidence: Mapping[str, Any],
    on_progress: Callable[[float], None] = lambda share: None,
) -> Float[np.ndarray, "part example"]:
    """Values with each part left out, by the measure's own sums if there are any; `on_progress` gets the share done."""
    found = None if entry.without is None else entry.without(part, evidence)
    return again_without_each(entry, part, evidence, on_progress) if found is None else found


def again_without_each(
    entry: Measure,
    part: Int[np.ndarray, " model"],
    evidence: Mapping[str, Any],
    on_progress: Callable[[float], None] = lambda share: None,
) -> Float[np.ndarray, "part example"]:
    """The same by running the measure again on the models that are left, part by part."""
    count, found = int(part.max(initial=-1)) + 1, []
    for number in range(count):
        found.append(_again(entry, part != number, evidence))
        on_progress((number + 1) / count)
    return np.stack(found)


def _again(entry: Measure, kept: np.ndarray, evidence: Mapping[str, Any]) -> np.ndarray:
    given = {
        name: some(evidence[name], np.flatnonzero(kept)) if quantity(need).dims[0] == "model" else evidence[name]
        for name, need in entry.parameters.items()
    }
    result = entry.function(**given)
    assert isinstance(result, PerExample)
    return result.values
