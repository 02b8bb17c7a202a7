"""Averages over the models that were trained on an example: only there does training happen to it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int, Int8, Real

from byrote.errors import BadInput
from byrote.measures.assemble import per_example
from byrote.measures.catalog import Without
from byrote.results import PerExample
from byrote.stats.intervals import Bounds, mean_interval
from byrote.stats.moments import RunningMoments, means_without

NOTE = "averaged over the models that were trained on the example"
OUTSIDE = "averaged over the models that were not trained on the example"


class Seen(NamedTuple):
    """What each model says of the examples, one row per model, and which of them it was trained on."""

    rows: Iterable[np.ndarray]
    seen: Bool[np.ndarray, "model example"]


def average_without(each: Callable[..., Seen]) -> Without:
    """The averages of `member_average` with parts of the models left out; `each` takes the evidence by parameter."""

    def without(part: np.ndarray, evidence: Mapping[str, np.ndarray]) -> np.ndarray:
        rows, seen = each(**evidence)
        with np.errstate(invalid="ignore", over="ignore"):
            found = means_without(rows, seen, part)
        return np.where(np.isfinite(found), found, np.nan)

    return without


def member_average(
    rows: Iterable[Float[np.ndarray, " example"]],
    seen: Bool[np.ndarray, "model example"],
    *,
    bounds: Bounds,
    counts: Mapping[str, Int[np.ndarray, " example"]],
) -> PerExample:
    """Mean over the models where `seen`, one row per model, with a t interval over those models.

    They are independent: of a complementary pair only one model has the example. The error of a single model is
    unknown.
    """
    return _average(rows, seen, bounds, counts, ("a member of no model", NOTE, "members"))


def side_average(
    rows: Iterable[Float[np.ndarray, " example"]],
    member: Int8[np.ndarray, "model example"],
    side: int,
    *,
    bounds: Bounds,
    skewed: bool = False,
) -> PerExample:
    """The same over the models that were trained on an example (side 1), or were not (side 0).

    The interval of `skewed` values, as squares are, reaches further to one side.

    Raises:
        BadInput: there is no such side.
    """
    if side not in (0, 1):
        raise BadInput(
            f"The 'side' argument must be 1, models trained on an example, or 0, those that were not. Got {side!r}.",
            hint="leave it out: 1 is the measure, 0 the same of models without the example.",
        )
    words = ("a member of no model", NOTE, "members") if side else ("a member of every model", OUTSIDE, "nonmembers")
    return _average(rows, member == side, bounds, {}, words, skewed=skewed)


def _average(
    rows: Iterable[Float[np.ndarray, " example"]],
    seen: Bool[np.ndarray, "model example"],
    bounds: Bounds,
    counts: Mapping[str, Int[np.ndarray, " example"]],
    words: tuple[str, str, str],
    *,
    skewed: bool = False,
) -> PerExample:
    running = RunningMoments(seen.shape[1], cubes=skewed)
    with np.errstate(invalid="ignore", over="ignore"):
        for row, chosen in zip(rows, seen, strict=True):
            running.add(row, chosen)
    moments = running.result()
    return per_example(
        moments.mean,
        mean_interval(moments, bounds=bounds),
        [
            (words[0], moments.count == 0),
            ("a model's record of it is not finite", ~np.isfinite(moments.mean)),
        ],
        counts={words[2]: moments.count, **counts},
        models=len(seen),
        note=words[1],
    )


def weighted_mean(
    values: Real[np.ndarray, "checkpoint example"] | Bool[np.ndarray, "checkpoint example"],
    weights: Float[np.ndarray, " checkpoint"],
) -> Float[np.ndarray, " example"]:
    """Mean over checkpoints; exact where all values are 0 or all are 1."""
    mean: np.ndarray = (weights @ values) / weights.sum()
    return mean
