"""Noisy label memorization: when in training wrong labels are fitted, beside right ones."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Int, Int8

from byrote.measures.catalog import measure
from byrote.results import Curve
from byrote.stats.curves import curve_interval
from byrote.stats.intervals import Interval
from byrote.stats.jackknife import units

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
        models without a member of the group left out; errors by leaving out a pair of models at a time, and never
        below that of a rate among all members of the group in all models (see `stats.curves`)
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
    lines = []
    for share, group in zip(shares, (label_noise, ~label_noise), strict=True):
        having = np.isfinite(share[:, 0])
        lines.append(_line(share[having], unit[having], int(((member == 1) & group).sum())))
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


def _line(share: np.ndarray, unit: np.ndarray, cells: int) -> tuple[np.ndarray, Interval]:
    """Mean over models and its error over units, of shares among so many answers together."""
    names, index = np.unique(unit, return_inverse=True)
    count, points = len(names), share.shape[1]
    if not len(share):
        unknown = np.full(points, np.nan)
        return unknown, Interval(unknown, unknown, unknown)
    value = share.mean(0)
    sums = np.zeros((count, points))
    np.add.at(sums, index, share)
    others = (len(share) - np.bincount(index))[:, None]
    without = (sums.sum(0) - sums) / np.where(others, others, np.nan)
    return value, curve_interval(value, without, cells=cells)
