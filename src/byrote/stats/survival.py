"""Survival curves: the share of examples to which an event has not happened yet, with the error over models."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Bool, Float, Int

from byrote.results import Survival
from byrote.stats.curves import curve_interval
from byrote.stats.jackknife import parts

#: Pairs are left out in at most this many parts.
PARTS = 20


def kaplan_meier(
    events: Int[np.ndarray, "*rest time"], censored: Int[np.ndarray, "*rest time"]
) -> Float[np.ndarray, "*rest time"]:
    """Share to which the event has not happened by each time, from counts of events and of those last seen then.

    Formula:
        S_j = product over l <= j of (1 - events_l / at_risk_l), at_risk_l = all whose event or last sight is at l
        or later (Kaplan & Meier 1958)
    Undefined:
        nan from the first time on at which nobody is at risk, unless the event has happened to all.

    Example:
        >>> kaplan_meier(np.array([1, 1, 0]), np.array([0, 1, 1]))
        array([0.75, 0.5 , 0.5 ])
    """
    leaving = events + censored
    at_risk = np.flip(np.cumsum(np.flip(leaving, -1), -1), -1)
    survival: np.ndarray = np.cumprod(1.0 - events / np.maximum(at_risk, 1), -1)
    return np.where((at_risk == 0) & (survival > 0), np.nan, survival)


def median_time(times: Float[np.ndarray, " time"], survival: Float[np.ndarray, " time"]) -> float:
    """The first time by which the event has happened to half; NaN where it never has.

    Example:
        >>> median_time(np.array([1.0, 2.0, 5.0]), np.array([0.9, 0.5, 0.1]))
        2.0
    """
    reached = np.flatnonzero(survival <= 0.5)
    return float(times[reached[0]]) if len(reached) else float("nan")


def survival_by_group(
    event: Int[np.ndarray, "model example"],
    watched: Bool[np.ndarray, "model example"],
    groups: Mapping[str, Bool[np.ndarray, " example"]],
    pair: Int[np.ndarray, " model"],
    *,
    axis: str,
    times: Float[np.ndarray, " time"],
) -> Survival:
    """A Kaplan-Meier curve a group, over all pairs of a model and an example that it watched.

    `event` is the index into `times` at which the event was first seen, and their number where it never was: those
    are censored at the last time. The errors leave out a pair of models at a time, since the examples of one
    model share its fate; Greenwood's formula would take them as independent.

    Undefined:
        nan on the line of a group that no model watched; the error is nan below 3 pairs of models.
    """
    part = parts(pair, groups=PARTS)
    values, intervals, notes = [], [], []
    seen = np.zeros((len(groups), 2), np.int64)
    for row, (name, mask) in enumerate(groups.items()):
        tally = _tally(event, watched & mask, part, len(times))
        seen[row] = tally.sum(), tally[:, -1].sum()
        values.append(_survival(tally.sum(0)))
        having = tally[tally.any(1)]
        intervals.append(curve_interval(values[-1], _survival(tally.sum(0) - having)))
        if not len(having):
            notes.append(f"{name}: no model watched an example of it")
        elif len(having) < 3:
            notes.append(f"{name}: fewer than 3 pairs of models, so that its error is unknown")
    return Survival(
        axis=axis,
        at=times,
        groups=tuple(groups),
        values=np.stack(values),
        stderr=np.stack([interval.stderr for interval in intervals]),
        low=np.stack([interval.low for interval in intervals]),
        high=np.stack([interval.high for interval in intervals]),
        median=np.array([median_time(times, line) for line in values]),
        counts=seen[:, 0],
        censored=seen[:, 1],
        models=len(pair),
        note="; ".join(notes),
    )


def _tally(event: np.ndarray, chosen: np.ndarray, part: np.ndarray, times: int) -> np.ndarray:
    """`[part, time + 1]`: to how many the event happened at each time, and to how many never."""
    tally = np.zeros((int(part.max(initial=-1)) + 1, times + 1), np.int64)
    for row, kept, mine in zip(event, chosen, part, strict=True):
        tally[mine] += np.bincount(row[kept], minlength=times + 1)
    return tally


def _survival(tally: np.ndarray) -> np.ndarray:
    """Curves of tallies `[..., time + 1]`, the never ones censored at the last time."""
    events = tally[..., :-1]
    censored = np.zeros_like(events)
    censored[..., -1] = tally[..., -1]
    return kaplan_meier(events, censored)
