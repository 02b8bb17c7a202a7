"""From values and intervals to a result: undefined entries are blanked everywhere and keep their reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Bool, Float, Int

from byrote.results import PerExample
from byrote.stats.intervals import Interval


def per_example(
    values: Float[np.ndarray, " example"],
    interval: Interval,
    undefined: Sequence[tuple[str, Bool[np.ndarray, " example"]]],
    *,
    counts: Mapping[str, Int[np.ndarray, " example"]],
    models: int,
    note: str,
) -> PerExample:
    """The result of these values; of several reasons that apply to an example the first is given."""
    code = np.zeros(len(values), np.int64)
    for number, (_, applies) in reversed(list(enumerate(undefined, start=1))):
        code[applies] = number
    blank = code != 0
    return PerExample(
        values=np.where(blank, np.nan, values),
        stderr=np.where(blank, np.nan, interval.stderr),
        low=np.where(blank, np.nan, interval.low),
        high=np.where(blank, np.nan, interval.high),
        counts=counts,
        reasons=("", *(reason for reason, _ in undefined)),
        reason_code=code,
        models=models,
        note=note,
    )
