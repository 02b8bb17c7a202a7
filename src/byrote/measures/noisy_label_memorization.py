"""Noisy label memorization: when in training wrong labels are fitted, beside right ones."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Int, Int8
from scipy.special import stdtrit

from byrote.measures.catalog import measure
from byrote.results import Curve
from byrote.stats.intervals import UPPER, Interval, mean_interval
from byrote.stats.jackknife import spread, units
from byrote.stats.moments import Moments

_GROUPS = ("planted label noise", "clean")


@measure(
    needs=(
        "trajectory.correct",
        "trajectory.epochs",
        "controls.label_noise",
        "design.member",
        "design.pair",
    ),
    unit="share of examples",
    range=(0.0, 1.0),
    higher="more memorized, on planted label noise",
    source="Arpit et al. 2017, arXiv:1706.05394",
    section="3.7",
    domain="generalization",
    level="model",
    evaluation="noisy label",
    by_example=False,
)
def noisy_label_memorization(
    correct: Bool[np.ndarray, "model checkpoint example"],
    epochs: Int[np.ndarray, " checkpoint"],
    label_noise: Bool[np.ndarray, " example"],
    member: Int8[np.ndarray, "model example"],
    pair: Int[np.ndarray, " model"],
) -> Curve:
    r"""Share of the examples trained on whose given label is predicted, by epoch: planted noise and clean.

    Formula:
        mean over models k of mean(correct[k, c, i] : member[k, i] = 1, label_noise[i] = group),
        models without a member of the group left out; errors by leaving out a pair of models at a time
    Undefined:
        nan on the whole line of a group that no model was trained on; the error is nan below 3 pairs of
        models.

    Example:
        >>> c = np.array([[[0, 1], [1, 1]]] * 6, bool)
        >>> m, pair = np.ones((6, 2), np.int8), np.repeat([0, 1, 2], 2)
        >>> noisy_label_memorization(c, np.array([1, 9]), np.array([True, False]), m, pair).values
        array([[0., 1.], [1., 1.]])

    Differs:
        The source trains one model; here many are averaged, each over the examples it was trained on. The share
        stays that of one model: more models narrow its interval and do not move it, unlike the average precision
        of a score that is averaged over them.
    """
    shares = _shares(correct, label_noise, member)
    unit = units(pair)
    lines = [_line(share[np.isfinite(share[:, 0])], unit[np.isfinite(share[:, 0])]) for share in shares]
    notes = [
        f"{name}: {why}" for name, (value, error) in zip(_GROUPS, lines, strict=True) if (why := _why(value, error))
    ]
    return Curve(
        axis="epoch",
        at=epochs.astype(np.float64),
        groups=_GROUPS,
        values=np.stack([value for value, _ in lines]),
        stderr=np.stack([error.stderr for _, error in lines]),
        low=np.stack([error.low for _, error in lines]),
        high=np.stack([error.high for _, error in lines]),
        counts=np.array([label_noise.sum(), (~label_noise).sum()], np.int64),
        models=len(member),
        note="; ".join(notes),
    )


def _why(value: np.ndarray, error: Interval) -> str:
    if np.isnan(value).any():
        return "no model was trained on an example of it"
    return "fewer than 3 pairs of models, so that its error is unknown" if np.isnan(error.stderr).any() else ""


def _shares(correct: np.ndarray, label_noise: np.ndarray, member: np.ndarray) -> np.ndarray:
    """Share fitted by group, model and checkpoint; NaN for a model without members of the group."""
    shares = np.full((2, *correct.shape[:2]), np.nan)
    for model, (answers, membership) in enumerate(zip(correct, member, strict=True)):
        for group, belongs in enumerate((label_noise, ~label_noise)):
            chosen = (membership == 1) & belongs
            if chosen.any():
                shares[group, model] = np.count_nonzero(answers[:, chosen], axis=1) / np.count_nonzero(chosen)
    return shares


def _line(share: np.ndarray, unit: np.ndarray) -> tuple[np.ndarray, Interval]:
    """Mean over models with its jackknife over units; a share that never varies has the error of a rate."""
    names, index = np.unique(unit, return_inverse=True)
    count, points = len(names), share.shape[1]
    unknown = np.full(points, np.nan)
    if not count:
        return unknown, Interval(unknown, unknown, unknown)
    value = share.mean(0)
    if count < 3:
        return value, Interval(unknown, unknown, unknown)
    sums = np.zeros((count, points))
    np.add.at(sums, index, share)
    without = (sums.sum(0) - sums) / (len(share) - np.bincount(index))[:, None]
    stderr = spread(without)
    floor = mean_interval(Moments(np.full(points, count), value, np.zeros(points)), bounds=(0.0, 1.0))
    reach = stdtrit(count - 1.0, UPPER) * stderr
    constant = np.isnan(stderr)
    return value, Interval(
        np.where(constant, floor.stderr, stderr),
        np.where(constant, floor.low, np.clip(value - reach, 0.0, 1.0)),
        np.where(constant, floor.high, np.clip(value + reach, 0.0, 1.0)),
    )
