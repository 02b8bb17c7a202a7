"""Lines of what each model has at each checkpoint: the mean over models, with the error that comes from the models."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int
from scipy.special import stdtrit

from byrote.results import Curve
from byrote.stats.intervals import UPPER, Bounds
from byrote.stats.jackknife import units


def over_models(
    each: Float[np.ndarray, "model group point"],
    epochs: Int[np.ndarray, " point"],
    pair: Int[np.ndarray, " model"],
    groups: Sequence[str],
    *,
    counts: Int[np.ndarray, " group"],
    bounds: Bounds,
    why: str,
) -> Curve:
    """The mean over models of each group at each checkpoint; models without a value are left out of it.

    The interval is Student's t over pairs of models, or over models without a mate; `why` is said where a line has no
    value.

    Undefined:
        nan where no model has a value; the error is nan below 3 pairs, or where all agree.
    """
    values = each.astype(np.float64)
    unit = units(pair)
    known = np.isfinite(values)
    of_unit = np.stack([_mean(values[unit == one], known[unit == one]) for one in range(int(unit.max(initial=-1)) + 1)])
    having = np.isfinite(of_unit)
    count = having.sum(0)
    value = _mean(values, known)
    centre = _mean(of_unit, having)
    squares = np.where(having, (of_unit - centre) ** 2, 0.0).sum(0)
    with np.errstate(divide="ignore", invalid="ignore"):
        stderr = np.sqrt(squares / (count - 1) / count)
    stderr = np.where((count >= 3) & (stderr > 1e-12 * np.abs(centre)), stderr, np.nan)
    reach = stderr * stdtrit(np.maximum(count - 1.0, 1.0), UPPER)
    return Curve(
        axis="epoch",
        at=epochs.astype(np.float64),
        groups=tuple(str(name) for name in groups),
        values=value,
        stderr=stderr,
        low=np.clip(value - reach, *bounds),
        high=np.clip(value + reach, *bounds),
        counts=counts.astype(np.int64),
        models=len(each),
        note=_note(value, stderr, groups, why),
    )


def _mean(values: np.ndarray, known: np.ndarray) -> np.ndarray:
    count = known.sum(0)
    return np.asarray(np.where(known, values, 0.0).sum(0) / np.where(count, count, np.nan))


def _note(value: np.ndarray, stderr: np.ndarray, groups: Sequence[str], why: str) -> str:
    empty = [str(name) for name, line in zip(groups, value, strict=True) if np.isnan(line).all()]
    reasons = [f"{', '.join(empty)}: {why}"] if empty else []
    if np.isfinite(value).any() and np.isnan(stderr[np.isfinite(value)]).all():
        reasons.append("fewer than 3 pairs of models, or models without a mate, so that errors are unknown")
    return "; ".join(reasons)
